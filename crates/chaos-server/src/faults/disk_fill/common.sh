# In: id kind (unit or process) bytes; started, where the process is known already
unit=$id-fill.service
# Processes are known by a mark of ours in their environment, which no other process can have by chance.
marked() {
    for each in /proc/[0-9]*; do
        { tr '\0' '\n' <"$each/environ" | grep -qxF "fill_mark=$id"; } 2>/dev/null && echo "${each#/proc/}"
    done
}
# member: sets `pid` to a process of the unit that holds the file. The kernel says which ones a unit has; asking systemd costs a program.
member() {
    for root in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
        while read -r pid; do
            [ ! -e "/proc/$pid/fd/8" ] || return 0
        done 2>/dev/null <"$root/system.slice/$unit/cgroup.procs"
    done
    return 1
}
main() { pid=$(systemctl show -p MainPID --value "$unit" 2>/dev/null); [ "${pid:-0}" != 0 ]; }
# filler: sets `pid` to a process that holds the file.
filler() {
    case $kind in
        unit) member || main ;;
        process)
            for pid in ${started:-$(marked)}; do [ ! -e "/proc/$pid/fd/8" ] || return 0; done
            return 1 ;;
    esac
}
# taken: the size of the file that the filler holds, and the bytes that it takes.
taken() {
    filler || return 1
    set -- $(stat -L -c '%s %b' "/proc/$pid/fd/8" 2>/dev/null)
    # A program that the filler runs holds the file too, for its short life.
    if [ $# != 2 ] && [ "$kind" = unit ] && main; then set -- $(stat -L -c '%s %b' "/proc/$pid/fd/8" 2>/dev/null); fi
    [ $# = 2 ] || { set -- 0 0; [ -d "/proc/$pid" ] || return 1; }
    size=$1; blocks=$(($2 * 512))
}
is_full() { [ "$size" = "$bytes" ] && [ "$blocks" -ge "$((bytes / 100 * 95))" ]; }
# ended [WHY [STATUS]]: why there is no filler any more, and the end of this script. WHY counts where the filler gave no reason itself.
ended() {
    code=${2:-}
    if [ "$kind" = unit ]; then
        # The status of what holds the space, or of what began to take it.
        code=$(systemctl show -p ExecMainStatus --value "$unit" 2>/dev/null)
        if [ "${code:-0}" = 0 ]; then
            code=$(systemctl show -p ExecStart --value "$unit" 2>/dev/null)
            # Not the number of a signal.
            case $code in *code=exited*) code=${code##*status=}; code=${code%%[!0-9]*} ;; *) code= ;; esac
        fi
    fi
    case $code in
        81) fail 65 "the directory $dir is not the one that was planned any more" ;;
        82|1|2) fail 69 "no file can be made in $dir" ;;
        83) fail 69 "there is not enough room any more in $dir without touching the reserve" ;;
        84) fail 69 "the file system of $dir cannot reserve space (fallocate is not supported)" ;;
        85) fail 69 "the space in $dir cannot be reserved" ;;
        *) fail 69 "${1:-what held the space in $dir has ended}" ;;
    esac
}
