# Lets the container go on. In: engine container name since health
arrive
if ! acted; then
    [ "$now" != paused ] || tell conflict 'container|paused, and nothing says that this was us; left as it is'
    over 0
fi
case $now in
    paused) ;;
    running) over 0 ;;
    *) tell conflict "container|$now: ended by somebody else, left as it is"; over 0 ;;
esac
if ! same_life; then
    tell conflict 'container|started anew and paused by somebody else, left as it is'
    over 0
fi
said=$(bounded 20 "$engine" unpause "$container" 2>&1) || fail 75 "$engine does not let it go on: $said"
soon 10 runs || fail 75 "it does not go on"
over 1
