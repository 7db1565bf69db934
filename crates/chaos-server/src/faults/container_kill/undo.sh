# Sees that the container runs again: by its restart policy, or else by us. In: engine container name since health policy
arrive
lives_again() { runs && life=$(started) && [ "$life" != "$since" ]; }
if ! acted; then
    [ "$now" = running ] || tell conflict "container|$now, and nothing says that this was us; left as it is"
    over 0
fi
first_lives() { pid=$(container_pid) && grep -q '^State:.[^ZX]' "/proc/$pid/status" 2>/dev/null; }
first_is_dead() { ! first_lives; }
engine_knows() { now=$(status) && [ "$now" != running ] || lives_again; }
if [ "$now" = running ] && same_life; then
    # It was never killed, whatever was planned; or it takes its time to end; or else its engine has yet to find out.
    if ! soon 10 first_is_dead; then
        tell note "the signal was sent, and its first process lives; should it end of that later, nobody starts it again"
        over 0
    fi
    soon 10 engine_knows || fail 75 "$engine says that it runs, and its first process is dead"
fi
case $now in
    paused) tell conflict 'container|paused by somebody else, left as it is'; over 0 ;;
esac
# A policy may be just at it; each time it waits longer.
patience=0; [ "$policy" = no ] || patience=5
if [ "$now" = running ] || soon "$patience" lives_again; then
    is_ours || tell note "the container was started again by its restart policy ($policy), or by somebody else"
    soon 25 well || fail 75 "it was started again and is not healthy yet"
    over 1
fi
start_again
over 1
