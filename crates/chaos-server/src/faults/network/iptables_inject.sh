# Loads chains of ours and sends packets through them, and reads that back. In: key id rules_v4 rules_v6
find_planned_network || fail 69 "the container is not there any more, or was restarted since the plan"
load() {
    why=$(printf '%s' "$2" | ns "$1-restore" -w 5 --noflush 2>&1) || fail 69 "$1 refuses the rules: $(printf '%s' "$why" | tr '\n' ' ')"
    wanted=$(printf '%s' "$2" | grep -c -e "--comment $id ")
    found=$(ns "$1" -w 5 -S | grep -c -e "--comment \"\{0,1\}$id\"\{0,1\} ")
    # One line may come to several rules.
    [ "$found" -ge "$wanted" ] || fail 69 "$1 has $found rules of ours, not $wanted"
    rules=$((rules + found))
}
rules=0
load iptables "$rules_v4"
[ -z "$rules_v6" ] || load ip6tables "$rules_v6"
tell chain "$key"
tell rules "$rules"
