# Whether the CPUs are busy: looks twice, half a second apart. In: id least workers limited
running
if [ "$limited" = 1 ]; then
    path=$(systemctl show -p ControlGroup --value "$unit")
    quota=$(cat "/sys/fs/cgroup/cpu$path/cpu.cfs_quota_us" 2>/dev/null || cat "/sys/fs/cgroup$path/cpu.max" 2>/dev/null)
    case $quota in ''|-1|max*) fail 69 "the kernel does not keep the limit of the unit's CPU time" ;; esac
fi
used; now; spent_first=$spent at_first=$at
sleep 0.5
used; now; count
[ "$total" -gt "$workers" ] || fail 65 "of $workers workers some have ended"
percent=$(((spent - spent_first) * 100 / (at - at_first + 1)))
[ "$percent" -ge "$least" ] || fail 75 "the load takes $percent% of a CPU only"
tell workers "$workers"
tell cpu_percent "$percent"
