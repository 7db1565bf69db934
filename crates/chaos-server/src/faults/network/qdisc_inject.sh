# Puts our queue at the root of an interface, where nobody has one, and reads it back. In: link handle kind, its arguments
find_planned_network || fail 69 "the container is not there any more, or was restarted since the plan"
why=$(ns tc qdisc add dev "$link" root handle "$handle" "$kind" "$@" 2>&1) || fail 69 "the kernel refuses the queue: $(printf '%s' "$why" | tr '\n' ' ')"
found=$(ns tc qdisc show dev "$link" | grep "^qdisc $kind $handle root ") || fail 69 "the queue is not there"
tell queue "$found"
