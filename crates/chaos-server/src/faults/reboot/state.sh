# What the host is up to, and which units are not as before. In: boot back
set -f
tell boot "$(cat /proc/sys/kernel/random/boot_id)"
tell running "$(systemctl is-system-running 2>/dev/null)"
set -- $back
while [ "$#" -gt 0 ]; do
    unit_state "$1"
    is_as_before "$1" "$2" || tell missing "$1"
    shift 3
done
exit 0
