# What a host can bear.
meminfo() { sed -n "s/^$1: *\([0-9]*\) kB/\1/p" /proc/meminfo; }
kib() { value=$(meminfo "$1"); printf '%s\n' $((${value:-0} * 1024)); }
number() { value=$(cat "$1" 2>/dev/null); case $value in ''|*[!0-9]*) return 1 ;; *) printf '%s\n' "$value" ;; esac; }
tell cpus "$(getconf _NPROCESSORS_ONLN 2>/dev/null || grep -c '^processor' /proc/cpuinfo)"
total=$(kib MemTotal); free=$(kib MemAvailable)
# A container sees the memory of its host, and may have less.
for group in /sys/fs/cgroup/memory/memory.limit_in_bytes:/sys/fs/cgroup/memory/memory.usage_in_bytes \
    /sys/fs/cgroup/memory.max:/sys/fs/cgroup/memory.current; do
    limit=$(number "${group%%:*}") && usage=$(number "${group#*:}") || continue
    [ "$limit" -ge "$total" ] || total=$limit
    [ $((limit - usage)) -ge "$free" ] || free=$((limit - usage))
done
tell memory "$total"
tell memory_free "$free"
# Without its controller, systemd accepts a limit and does not keep it.
if grep -qw cpu /sys/fs/cgroup/cgroup.controllers 2>/dev/null || [ -w /sys/fs/cgroup/cpu/cgroup.procs ]; then
    tell cpu_limit 1
fi
# Settings of the kernel give nothing to a shell that reads byte by byte.
set -- $(cat /proc/sys/fs/file-nr)
tell handles "${1:-0}"
tell handles_max "${3:-0}"
# Of all limits of processes, the one that is nearest.
read -r _ _ _ tasks _ </proc/loadavg; tasks=${tasks#*/}
for limit in /proc/sys/kernel/pid_max /proc/sys/kernel/threads-max; do
    tell tasks "$tasks $(cat "$limit") ${limit#/proc/sys/}"
done
for group in /sys/fs/cgroup/pids /sys/fs/cgroup; do
    limit=$(number "$group/pids.max") && tell tasks "$(cat "$group/pids.current") $limit pids.max"
done
exit 0
