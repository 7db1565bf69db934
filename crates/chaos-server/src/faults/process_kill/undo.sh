# Sees services active again, and with as many processes as they had. In: signal processes services back
set -f
! never_acted || { tell restored 0; exit 0; }
bring_all_back $back || exit 1
# Nothing says that it was us; what runs is as it was.
acted || { tell restored "$started"; exit 0; }
healed=$started
# count UNIT: how many processes it has.
count() {
    group=$(systemctl show -p ControlGroup --value -- "$1")
    for base in /sys/fs/cgroup/systemd /sys/fs/cgroup; do
        [ ! -e "$base$group/cgroup.procs" ] || { find "$base$group" -name cgroup.procs -exec cat {} + | grep -c .; return; }
    done
    echo 0
}
set -- $services
while [ "$#" -gt 0 ]; do
    unit_state "$1"
    tries=50
    while [ "$active" = active ] && [ "$(count "$1")" -lt "$2" ] && [ "$tries" -gt 0 ]; do
        tries=$((tries - 1)); sleep 0.1
    done
    if [ "$active" = active ] && [ "$tries" = 0 ]; then
        # It does not replace its workers, and only a start brings them back.
        systemctl restart --job-mode=ignore-dependencies -- "$1" || exit 1
        tell note "$1 was restarted, because it did not replace what was killed"
        tries=50
        until [ "$(count "$1")" -ge "$2" ]; do
            tries=$((tries - 1)); [ "$tries" -gt 0 ] || { tell note "$1 has fewer processes than before"; break; }
            sleep 0.1
        done
        unit_state "$1"; [ "$active" = active ] || exit 1
    fi
    healed=$((healed + 1)); shift 2
done
tell restored "$healed"
