# Lets processes go on that are stopped and were not before. In: processes control_group before back
set -f
# What stands still was stopped by somebody else.
! never_acted || { tell restored 0; exit 0; }
resumed=0; rounds=0
while :; do
    stopped=0
    for pid in $(members); do
        look "$pid"
        [ "$state" = T ] || continue
        was_stopped "$pid" "$start" && continue
        stopped=$((stopped + 1))
        [ "$rounds" -gt 0 ] || resumed=$((resumed + 1))
        kill -s CONT "$pid" 2>/dev/null
    done
    [ "$stopped" -gt 0 ] || break
    rounds=$((rounds + 1)); [ "$rounds" -lt 100 ] || fail 75 "$stopped processes stay stopped"
    sleep 0.05
done
if acted; then
    # Somebody may have ended a service meanwhile: systemd, for want of a sign of life, or a person, on purpose.
    fallen=
    set -- $back
    while [ "$#" -gt 0 ]; do
        unit_state "$1"
        case $active in
            inactive|deactivating) tell conflict "$1|stopped meanwhile by somebody else, left stopped" ;;
            *) fallen="$fallen $1 $2 $3" ;;
        esac
        shift 3
    done
    bring_all_back $fallen || exit 1
    resumed=$((resumed + started))
    if [ -z "$control_group" ]; then
        set -- $processes
        while [ "$#" -gt 0 ]; do
            look "$1"
            [ "$start" = "$2" ] || tell note "process $1 ended while it was paused"
            shift 2
        done
    fi
fi
tell restored "$resumed"
