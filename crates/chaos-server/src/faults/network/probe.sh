# What is known of a network before something is done to it. In: engine container, and the names to resolve
netns=
if [ -n "$container" ]; then
    pid=$(container_pid) || fail 69 "the container \`$container\` does not run, or has no process on this host"
    netns=$(readlink "/proc/$pid/ns/net") || fail 69 "the network of the container \`$container\` cannot be found"
    [ "$netns" != "$(readlink /proc/self/ns/net)" ] || fail 65 "the container \`$container\` shares the network of the host"
    field first_pid "$pid"; field first_start "$(start_of_process "$pid")"
    have nsenter || fail 69 "there is no \`nsenter\` on the host"
fi
find_network || fail 69 "nothing runs in the network of the container"
field netns "$netns"
# Whether we came over SSH at all: without that there is no way that must stay open.
pid=$$
while [ "${pid:-0}" -gt 1 ]; do
    read -r comm <"/proc/$pid/comm" || break
    case $comm in sshd*|dropbear*) field came_by_ssh 1; break ;; esac
    pid=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f2)
done
ns ip -o addr 2>/dev/null | sed -n 's/^[0-9]*: *\([^ ]*\) *inet6\{0,1\} \([^ /]*\).*/\1 \2/p' | while read -r link address; do
    field address "$address"; field link "${link%%@*}"
done
for family in -4 -6; do
    ns ip "$family" route show default 2>/dev/null | sed -n 's/^default.* dev \([^ ]*\).*/\1/p' | head -n 1 | while read -r link; do
        field default_link "$link"
    done
done
for file in /etc/resolv.conf /run/systemd/resolve/resolv.conf; do
    sed -n 's/^[[:space:]]*nameserver[[:space:]]\{1,\}\([^[:space:]#;]*\).*/\1/p' "$file" 2>/dev/null | while read -r server; do
        field resolver "$server"
    done
done
[ -z "$(ns cat /proc/net/if_inet6 2>/dev/null)" ] || field has_ipv6 1
# Tables and chains that iptables makes of nftables when it is first used; what is there already stays.
if have nft; then
    for family in ip ip6; do
        lines=$(ns nft list table "$family" filter 2>/dev/null) || continue
        field filter_part "$family:table"
        printf '%s\n' "$lines" | sed -n 's/^[[:space:]]*chain \([^ ]*\) {$/\1/p' | while read -r chain; do field filter_part "$family:$chain"; done
    done
fi
# What each name stands for, seen from the host.
for name in "$@"; do
    if ! have getent; then field unresolved "$name"; continue; fi
    found=$(bounded 10 getent ahosts "$name" 2>/dev/null | sed 's/[[:space:]].*//' | sort -u)
    [ -n "$found" ] || { field unresolved "$name"; continue; }
    for address in $found; do field resolved "$name $address"; done
done
exit 0
