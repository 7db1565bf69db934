# Pauses processes until none of them runs. In: processes control_group before back
set -f
set -- $processes
while [ -z "$control_group" ] && [ "$#" -gt 0 ]; do
    look "$1"
    [ -n "$state" ] && [ "$start" = "$2" ] || fail 65 "process $1 has ended since the plan was made"
    shift 2
done
[ -n "$(members)" ] || fail 65 "none of the processes is there any more"
will_act
rounds=0
while :; do
    running=0; paused=0
    for pid in $(members); do
        look "$pid"
        case $state in
            ''|Z|X) continue ;;
            T) was_stopped "$pid" "$start" || paused=$((paused + 1)); continue ;;
        esac
        was_stopped "$pid" "$start" && continue
        kill -s STOP "$pid" 2>/dev/null; running=$((running + 1))
    done
    # One that was not seen stopped may have started another one before it stopped.
    [ "$running" -gt 0 ] || break
    rounds=$((rounds + 1)); [ "$rounds" -lt 100 ] || fail 69 "$running processes do not stop"
    sleep 0.05
done
[ "$paused" -gt 0 ] || fail 65 "none of the processes is there any more"
tell processes_paused "$paused"
