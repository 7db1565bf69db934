#!/bin/sh
# The first process of a test host. Controllers and network settings come read-only into a container; a service manager
# that cannot write the former ignores CPUQuota= and MemoryMax=. All else of /proc/sys stays read-only: it is this
# machine's own kernel.
for controller in blkio cpu cpuacct cpuset devices freezer memory pids; do
    [ -d "/sys/fs/cgroup/$controller" ] && mount -o remount,bind,rw "/sys/fs/cgroup/$controller"
done
mount --bind /proc/sys/net /proc/sys/net && mount -o remount,bind,rw /proc/sys/net
exec /lib/systemd/systemd
