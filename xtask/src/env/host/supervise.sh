#!/bin/sh
# Runs one test host until it is powered off, and starts it again when it asks for a reboot. Its folder is the only
# argument; `config` in there says the rest. Every boot gets a fresh network namespace, as a reboot loses all rules.
cd "$1" && . ./config || exit 1
echo $$ > supervisor.pid

# A control group of its own in every hierarchy: hosts must not see each other's units.
: > cgroups
while IFS=: read -r _ controllers path; do
    case "$controllers" in
        '') root=/sys/fs/cgroup; [ -d /sys/fs/cgroup/unified ] && root=/sys/fs/cgroup/unified ;;
        name=*) root=/sys/fs/cgroup/${controllers#name=} ;;
        *) root=/sys/fs/cgroup/$controllers ;;
    esac
    group=${root}${path%/}/chaos-$name
    mkdir -p "$group" || continue
    for file in cpuset.cpus cpuset.mems; do
        [ -e "$root$path/$file" ] && cat "$root$path/$file" > "$group/$file"
    done
    # What a test does to a host must not reach this machine.
    [ -e "$group/memory.limit_in_bytes" ] && echo "$memory_max" > "$group/memory.limit_in_bytes"
    [ -e "$group/pids.max" ] && echo "$pids_max" > "$group/pids.max"
    echo $$ > "$group/cgroup.procs" && echo "$group" >> cgroups
done < /proc/self/cgroup

fresh_network() {
    ip netns del "$name" 2> /dev/null
    ip link del "$veth" 2> /dev/null
    ip netns add "$name" || return
    # An address is there at once, without a second in which the network is asked whether it is free.
    ip netns exec "$name" sh -c 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad'
    ip link add "$veth" type veth peer name eth0 address "$mac" netns "$name" || return
    ip -n "$name" link set lo up
    ip -n "$name" addr add "$address/16" dev eth0
    ip -n "$name" addr add "$ipv6/64" dev eth0 nodad
    ip -n "$name" link set eth0 up
    # The host answers on each address of this range too: one host plays many.
    ip -n "$name" route add local "$many" dev lo
    ip -n "$name" route add default via "$gateway"
    ip link set "$veth" master "$bridge"
    # A network that a test cut stays cut over a reboot.
    [ -e cut ] || ip link set "$veth" up
}

while :; do
    fresh_network
    date +'--- boot %F %T' >> console.log
    systemd-nspawn --quiet --directory="$PWD/root" --machine="$name" --hostname="$name" --register=no --keep-unit \
        --capability=all --system-call-filter=@keyring --link-journal=no --resolv-conf=off --timezone=off --console=pipe \
        --network-namespace-path="/run/netns/$name" --bind="$PWD/ext:/ext" --kill-signal="$kill_signal" \
        $init < /dev/null >> console.log 2>&1
    status=$?
    while read -r group; do
        find "$group" -mindepth 1 -depth -type d -exec rmdir {} + 2> /dev/null
    done < cgroups
    # 133 is a reboot; everything else is a power off or a failure.
    [ "$status" -eq 133 ] || break
done
ip netns del "$name"
ip link del "$veth" 2> /dev/null
echo "--- ended with $status" >> console.log
rm -f supervisor.pid
