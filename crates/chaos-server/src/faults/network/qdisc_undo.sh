# Takes our queue away, and nobody else's. In: link handle kind was
! never_acted && find_network || { tell restored 0; exit 0; }
root() { listed=$(ns tc qdisc show dev "$link") || exit 1; printf '%s\n' "$listed" | sed -n 's/^qdisc \([^ ]*\) \([0-9a-f]*:\) root.*/\1 \2/p' | head -n 1; }
if ! ns ip link show dev "$link" >/dev/null 2>&1; then
    # An interface takes its queue with it.
    ns ip link show >/dev/null || exit 1
    tell restored 0
    exit 0
fi
found=$(root) || exit 1
case $found in
    "$kind $handle")
        ns tc qdisc del dev "$link" root handle "$handle" || exit 1
        found=$(root) || exit 1
        [ "$found" != "$kind $handle" ] || exit 1
        tell restored 1
        [ "$found" = "$was 0:" ] || tell note "the queue of $link was $was, and what the kernel chose now is ${found%% *}" ;;
    *' 0:') tell restored 0 ;;
    *) tell conflict "queue of $link|somebody has put ${found:-another one} in its place; left as it is"; tell restored 0 ;;
esac
