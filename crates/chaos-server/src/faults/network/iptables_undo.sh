# Takes out exactly our jumps and our chains. In: key id tools made_tables
find_network || { tell restored 0; exit 0; }
restored=0
take_back() {
    listed=$(ns "$1" -w 5 -S) || exit 1
    case $listed in *"$key-"*) ;; *) return ;; esac
    for pair in INPUT:in OUTPUT:out FORWARD:fwd; do
        hook=${pair%%:*}; chain=$key-${pair#*:}
        tries=20
        while ns "$1" -w 5 -C "$hook" -m comment --comment "$id" -j "$chain" 2>/dev/null; do
            ns "$1" -w 5 -D "$hook" -m comment --comment "$id" -j "$chain" || exit 1
            tries=$((tries - 1)); [ "$tries" -gt 0 ] || exit 1
        done
        ns "$1" -w 5 -S "$chain" >/dev/null 2>&1 || continue
        ns "$1" -w 5 -F "$chain" || exit 1
        restored=$((restored + 1))
        ns "$1" -w 5 -X "$chain" 2>/dev/null || tell conflict "chain $chain of $1|somebody sends packets through it; it is empty now, and stays"
    done
    listed=$(ns "$1" -w 5 -S) || exit 1
    case $listed in *"--comment \"$id\" "*|*"--comment $id "*) exit 1 ;; esac
}
# The tables that iptables made of nftables because we asked it to go, when nobody has put anything in meanwhile.
unmake() {
    have nft || return 0
    lines=$(ns nft list table "$1" filter 2>/dev/null) || return 0
    case $lines in *'policy drop'*) return 0 ;; esac
    printf '%s\n' "$lines" | grep -qv -e '^table ' -e '^[[:space:]]*chain \(INPUT\|FORWARD\|OUTPUT\) {$' \
        -e '^[[:space:]]*type filter hook ' -e '^[[:space:]]*}$' -e '^$' && return 0
    ns nft delete table "$1" filter 2>/dev/null || return 0
}
for tool in $tools; do take_back "$tool"; done
for family in $made_tables; do unmake "$family"; done
tell restored "$restored"
