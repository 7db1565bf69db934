# What a load does. In: id
unit=$id-load.service
# running: fails unless the unit runs; sets `group`, where its processes are listed.
running() {
    state=$(systemctl show -p ActiveState --value "$unit") || fail 69 "systemd does not answer"
    if [ "$state" != active ]; then
        fail 65 "the load has ended before its time ($(systemctl show -p Result --value "$unit"))"
    fi
    path=$(systemctl show -p ControlGroup --value "$unit")
    for root in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
        group=$root$path
        [ -n "$path" ] && [ -r "$group/cgroup.procs" ] && return
    done
    fail 69 "the control group of the load is not found"
}
# stat_of PID: sets `ticks`, the time that a process and its dead children had, and `born`; fails where it has ended.
stat_of() {
    # The name before the last bracket may hold anything.
    { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${line##*) }
    ticks=$((${12} + ${13} + ${14} + ${15})); born=${20}
}
# count: sets `total`, how many processes the unit has.
count() { total=$(wc -l <"$group/cgroup.procs"); total=$((total)); }
# used: sets `spent` in ticks of a hundredth of a second, and `resident` in bytes, of all processes of the unit.
used() {
    spent=0; resident=0
    size=$(getconf PAGESIZE 2>/dev/null || echo 4096)
    while read -r pid; do
        stat_of "$pid" || continue
        { read -r _ pages _ <"/proc/$pid/statm"; } 2>/dev/null || pages=0
        spent=$((spent + ticks)); resident=$((resident + pages * size))
    done <"$group/cgroup.procs"
}
# moved: sets `bytes_read` and `bytes_written`, what the unit's processes have had of disks.
moved() {
    bytes_read=0; bytes_written=0
    while read -r pid; do
        while read -r key value; do
            case $key in
                read_bytes:) bytes_read=$((bytes_read + value)) ;;
                write_bytes:) bytes_written=$((bytes_written + value)) ;;
            esac
        done 2>/dev/null <"/proc/$pid/io"
    done <"$group/cgroup.procs"
}
# now: sets `at`, hundredths of a second since the boot.
now() { read -r up _ </proc/uptime; at=$((${up%.*} * 100 + 1${up#*.} - 100)); }
# average: sets `percent`, the share of one CPU that the unit had since it started.
average() {
    stat_of "$(systemctl show -p MainPID --value "$unit")" || fail 65 "the load has ended before its time"
    first=$born
    now; used
    percent=$((spent * 100 / (at - first + 1)))
}
