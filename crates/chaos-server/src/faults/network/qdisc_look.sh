# What is known of an interface's queue. In: link kind
find_network || fail 69 "nothing runs in the network of the container"
have tc || fail 69 "there is no \`tc\` on the host"
case $(tc -V 2>&1) in *iproute2*) ;; *) fail 69 "the \`tc\` of the host is not that of iproute2" ;; esac
ns ip link show dev "$link" >/dev/null 2>&1 || fail 65 "there is no interface \`$link\`"
# `qdisc KIND HANDLE root …`; whoever did not choose a handle has 0.
ns tc qdisc show dev "$link" | sed -n 's/^qdisc \([^ ]*\) \([0-9a-f]*:\) root.*/\1 \2/p' | head -n 1 | while read -r name handle; do
    field root "$name" ; field handle "$handle"
done
field mtu "$(ns ip -o link show dev "$link" | sed -n 's/.* mtu \([0-9]*\) .*/\1/p')"
# Whether the kernel knows the queue; nothing where that cannot be seen without loading it.
release=$(uname -r)
config=CONFIG_NET_SCH_$(printf '%s' "$kind" | tr 'a-z' 'A-Z')
known() {
    [ ! -d "/sys/module/sch_$kind" ] || { echo yes; return; }
    grep -qs "/sch_$kind\.ko" "/lib/modules/$release/modules.builtin" && { echo yes; return; }
    if [ -r "/lib/modules/$release/modules.dep" ]; then
        grep -q "/sch_$kind\.ko" "/lib/modules/$release/modules.dep" && { echo yes; return; }
    fi
    line=$({ zcat /proc/config.gz || cat "/boot/config-$release"; } 2>/dev/null | grep -e "^$config=" -e '^CONFIG_NET=')
    case $line in
        *"$config=y"*) echo yes ;;
        # A module that is not installed cannot be loaded.
        *"$config=m"*|*CONFIG_NET=*) echo no ;;
        *) [ ! -r "/lib/modules/$release/modules.dep" ] || echo no ;;
    esac
}
field known "$(known)"
