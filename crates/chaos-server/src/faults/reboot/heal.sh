# Starts what was active before the reboot and is not, and tells what stays behind. In: boot back
set -f
[ "$(cat /proc/sys/kernel/random/boot_id)" != "$boot" ] || fail 65 "the host was not rebooted"
started=0; again=; end=$(($(uptime_s) + 45))
set -- $back
while [ "$#" -gt 0 ]; do
    bring_back "$1" "$2" "$3" 2>/dev/null || { unit_state "$1"; tell behind "\`$1\` is $active ($sub)"; }
    shift 3
done
tell restored "$started"
