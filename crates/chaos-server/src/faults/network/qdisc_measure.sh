# Counts what went through our queue and what it dropped. In: link handle kind
find_network || fail 69 "the container is not there any more, or was restarted"
ns tc qdisc show dev "$link" | grep -q "^qdisc $kind $handle root " || fail 69 "the queue of $link is not ours any more: somebody replaced it, or the deadline came"
counts=$(ns tc -s qdisc show dev "$link" | sed -n "/^qdisc $kind $handle root /,/^qdisc /s/^ *Sent \([0-9]*\) bytes \([0-9]*\) pkt (dropped \([0-9]*\),.*/\1 \2 \3/p" | head -n 1)
set -- $counts
tell bytes_sent "${1:-0}"; tell packets_sent "${2:-0}"; tell packets_dropped "${3:-0}"
