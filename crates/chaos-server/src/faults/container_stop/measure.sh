# Whether the container is still stopped. In: engine container
now=$(status) || fail 69 "the container is gone, or $engine does not answer"
case $now in
    exited|stopped) ;;
    *) fail 65 "the container is $now: somebody else started it" ;;
esac
