# Finds the firewall that takes the rules, by letting it check them without loading them. In: wanted rules rules_v4 rules_v6
find_network || fail 69 "nothing runs in the network of the container"
try_nft() {
    have nft || { why="there is no nft"; return 1; }
    why=$(printf '%s' "$rules" | ns nft -c -f - 2>&1) || { why="nft refuses: $why"; return 1; }
}
try_iptables() {
    have iptables-restore && have iptables || { why="there is no iptables"; return 1; }
    [ -n "$rules_v4" ] || { why="iptables cannot compare names"; return 1; }
    why=$(printf '%s' "$rules_v4" | ns iptables-restore -w 5 --noflush --test 2>&1) || { why="iptables refuses: $why"; return 1; }
    [ -n "$rules_v6" ] || return 0
    why=$(printf '%s' "$rules_v6" | ns ip6tables-restore -w 5 --noflush --test 2>&1) || { why="ip6tables refuses: $why"; return 1; }
}
reasons=
for backend in nft iptables; do
    [ "$wanted" = auto ] || [ "$wanted" = "$backend" ] || continue
    if "try_$backend"; then tell backend "$backend"; exit 0; fi
    reasons="$reasons${reasons:+; }$why"
done
fail 69 "$(printf '%s' "$reasons" | tr '\n' ' ')"
