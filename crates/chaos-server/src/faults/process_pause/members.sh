# members: the numbers of the processes that are paused: those of the control group, else those that were chosen and still are
# the same.
members() {
    if [ -n "$control_group" ]; then
        for base in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
            [ -e "$base$control_group/cgroup.procs" ] || continue
            find "$base$control_group" -name cgroup.procs -exec cat {} + 2>/dev/null
            return
        done
        return
    fi
    # A subshell of the caller runs this, so the words of the script are not lost.
    set -- $processes
    while [ "$#" -gt 0 ]; do
        look "$1"
        [ "$start" != "$2" ] || printf '%s\n' "$1"
        shift 2
    done
}
# was_stopped PID START: whether somebody else had stopped it before.
was_stopped() { case " $before " in *" $1:$2 "*) return 0 ;; *) return 1 ;; esac; }
