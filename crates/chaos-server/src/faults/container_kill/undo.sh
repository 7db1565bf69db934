# Sees that the container runs again: by its restart policy, or else by us. In: engine container name since health policy
arrive
lives_again() { runs && [ "$(started)" != "$since" ]; }
if ! acted; then
    [ "$now" = running ] || tell conflict "container|$now, and nothing says that this was us; left as it is"
    over 0
fi
# It was never killed, whatever was planned.
[ "$now" != running ] || [ "$(started)" != "$since" ] || over 0
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
