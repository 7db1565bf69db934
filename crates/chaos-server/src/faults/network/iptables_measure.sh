# Counts what our rules kept from coming through. In: key
find_network || fail 69 "the container is not there any more, or was restarted"
count() {
    for chain in in out fwd; do
        for number in $(ns "$1" -w 5 -nvxL "$key-$chain" 2>/dev/null | sed -n 's/^ *\([0-9]*\) .* \(DROP\|REJECT\) .*/\1/p'); do
            packets=$((packets + number))
        done
    done
}
packets=0
case $(ns iptables -w 5 -S) in *"-j $key-"*) ;; *) fail 69 "our rules are not there any more: somebody removed them, or the deadline came" ;; esac
count iptables
have ip6tables && count ip6tables
tell packets_cut "$packets"
