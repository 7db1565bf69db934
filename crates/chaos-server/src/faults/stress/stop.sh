# Ends a load and sees that nothing of it is there. In: id, and files that it may have made as "$@"
unit=$id-load.service
known() { [ "$(systemctl show -p LoadState --value "$unit")" != not-found ]; }
ended() {
    case $(systemctl show -p ActiveState --value "$unit") in inactive|failed) ;; *) return 1 ;; esac
}
state=$(systemctl show -p LoadState --value "$unit") || fail 75 "systemd does not answer"
path=$(systemctl show -p ControlGroup --value "$unit"); path=${path:-/system.slice/$unit}
restored=0
if known; then
    restored=1
    ! ended || tell note "the load had ended before its time ($(systemctl show -p Result --value "$unit"))"
    systemctl stop --no-block "$unit" || fail 75 "systemd does not end the load"
    tries=300
    until ended; do
        tries=$((tries - 1)); [ "$tries" -gt 0 ] || fail 75 "the load does not end"
        sleep 0.1
    done
    systemctl reset-failed "$unit" 2>/dev/null
    tries=50
    while known; do
        tries=$((tries - 1)); [ "$tries" -gt 0 ] || fail 75 "systemd does not forget the load"
        sleep 0.1
    done
fi
for root in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    # A group without processes goes when systemd comes to it.
    [ -z "$(cat "$root$path/cgroup.procs" 2>/dev/null)" ] || fail 75 "processes of the load are still there"
done
for file do
    [ ! -e "$file" ] && [ ! -L "$file" ] || { rm -f -- "$file" && restored=1; } || fail 69 "$file cannot be removed"
done
tell restored "$restored"
