# Starts the container again. In: engine container name since health policy boot
arrive
if ! acted; then
    [ "$now" = running ] || tell conflict "container|$now, and nothing says that this was us; left as it is"
    over 0
fi
case $now in
    running)
        is_ours || over 0
        soon 25 well || fail 75 "it was started again and is not healthy yet"
        over 1 ;;
    paused) tell conflict 'container|started and paused by somebody else, left as it is'; over 0 ;;
esac
if [ "$booted" != "$boot" ] && [ "$policy" != unless-stopped ]; then
    # Its engine has started what it starts at a boot; our stop only changes that for `unless-stopped`.
    tell note "the host was rebooted, and with its restart policy ($policy) the container does not come back by itself"
    over 0
fi
start_again
over 1
