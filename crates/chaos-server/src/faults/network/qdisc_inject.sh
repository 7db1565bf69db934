# Puts our queue at the root of an interface, where nobody has one, and reads it back. In: link handle kind, its arguments
find_planned_network || fail 69 "the container is not there any more, or was restarted since the plan"
listed=$(ns tc qdisc show dev "$link" 2>&1) || fail 69 "the queue of $link cannot be seen: $listed"
case $(printf '%s\n' "$listed" | grep ' root') in
    "qdisc "*" 0: root"*) ;;
    *) fail 65 "$link has a queue of somebody's own since the plan was made" ;;
esac
will_act
why=$(ns tc qdisc add dev "$link" root handle "$handle" "$kind" "$@" 2>&1) || fail 69 "the kernel refuses the queue: $(printf '%s' "$why" | tr '\n' ' ')"
found=$(ns tc qdisc show dev "$link" | grep "^qdisc $kind $handle root ") || fail 69 "the queue is not there"
tell queue "$found"
