# Whether the container is still paused. In: engine container since
now=$(status) || fail 69 "the container is gone, or $engine does not answer"
[ "$now" = paused ] || fail 65 "the container is $now: somebody else ended the pause"
