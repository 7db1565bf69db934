# Takes out exactly our jumps and our chains. In: key id tools kept
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
# What iptables made of nftables because we asked it to go, as long as nobody has put anything in: chains, and their table.
unmake() {
    for chain in INPUT FORWARD OUTPUT; do
        case " $kept " in *" $1:$chain "*) continue ;; esac
        lines=$(ns nft list chain "$1" filter "$chain" 2>/dev/null) || continue
        printf '%s\n' "$lines" | grep -qv -e '^table ' -e "^[[:space:]]*chain $chain {\$" -e '^[[:space:]]*type filter hook .*policy accept;$' \
            -e '^[[:space:]]*}$' -e '^$' || ns nft delete chain "$1" filter "$chain" 2>/dev/null
    done
    case " $kept " in *" $1:table "*) return 0 ;; esac
    lines=$(ns nft list table "$1" filter 2>/dev/null) || return 0
    printf '%s\n' "$lines" | grep -qv -e '^table ' -e '^}$' || ns nft delete table "$1" filter 2>/dev/null
}
for tool in $tools; do take_back "$tool"; done
if have nft; then
    for tool in $tools; do
        case $tool in iptables) unmake ip ;; *) unmake ip6 ;; esac
    done
fi
tell restored "$restored"
