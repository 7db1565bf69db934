# find_network: finds the network that the fault acts on. That of a container is known by the number of its namespace, so that
# no engine has to be asked; it is gone when no process is in it any more. In: netns
find_network() {
    inside=
    [ -n "$netns" ] || return 0
    inside=$(ls -l /proc/[0-9]*/ns/net 2>/dev/null | grep -F -- "-> $netns" | sed -n '1s|.*/proc/\([0-9]*\)/ns/net.*|\1|p')
    [ -n "$inside" ]
}
# ns COMMAND…: runs a command in that network.
ns() {
    if [ -n "$inside" ]; then nsenter -t "$inside" -n "$@"; else "$@"; fi
}
