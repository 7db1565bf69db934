# Whether all processes are still stopped. In: processes control_group before back
set -f
paused=0
for pid in $(members); do
    look "$pid"
    case $state in
        ''|Z|X) ;;
        T) paused=$((paused + 1)) ;;
        *) fail 65 "process $pid runs, although it was paused" ;;
    esac
done
[ "$paused" -gt 0 ] || fail 65 "none of the paused processes is there any more"
tell processes_paused_at_end "$paused"
