# Freezes all processes of a container. In: engine container since
same_life
will_act
said=$(bounded 20 "$engine" pause "$container" 2>&1) || fail 69 "$engine does not pause it: $said"
[ "$(status)" = paused ] || fail 65 "$engine says that it paused it, and it is $(status)"
tell containers_paused 1
