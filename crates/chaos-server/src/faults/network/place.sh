# find_network: finds the network that the fault acts on. That of a container is known by the number of its namespace, so that
# no engine has to be asked; it is gone when no process is in it any more. In: netns
find_network() {
    inside=
    [ -n "$netns" ] || return 0
    inside=$(ls -l /proc/[0-9]*/ns/net 2>/dev/null | grep -F -- "-> $netns" | sed -n '1s|.*/proc/\([0-9]*\)/ns/net.*|\1|p')
    [ -n "$inside" ]
}
# find_planned_network: the same for an inject. Numbers of namespaces are used again, so the process that the plan saw must still
# be in it. In: first_pid first_start
find_planned_network() {
    [ -z "$netns" ] || [ "$(start_of_process "$first_pid")" = "$first_start" ] || return 1
    find_network
}
# start_of_process PID: when a process started, in ticks since boot.
start_of_process() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
# ns COMMAND…: runs a command in that network.
ns() {
    if [ -n "$inside" ]; then nsenter -t "$inside" -n "$@"; else "$@"; fi
}
