# What is there on a host, beside its units and mounts. Out: KEY VALUE fields; a value may have lines. `why` says what of a
# part cannot be read. In: modules, engines
limit=''
have timeout && limit='timeout 10'
field init "$(cat /proc/1/comm 2>/dev/null)"
have systemctl && field systemd "$(systemctl --version 2>/dev/null | head -n 1)"
field cpus "$(grep -c '^processor' /proc/cpuinfo 2>/dev/null)"
field memory_kib "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
field uptime "$(cut -d. -f1 /proc/uptime)"

# --- kernel modules: loaded, built in, on disk, or nowhere
kernel=$(uname -r)
module() {
    [ -d "/sys/module/$1" ] && { echo loaded; return; }
    grep -q "/$1\.ko" "/lib/modules/$kernel/modules.builtin" 2>/dev/null && { echo 'built in'; return; }
    grep -q "/$1\.ko" "/lib/modules/$kernel/modules.dep" 2>/dev/null && { echo 'can be loaded'; return; }
    option=$2
    [ -r /proc/config.gz ] && have zcat && zcat /proc/config.gz 2>/dev/null | grep -q "^$option=y" && { echo 'built in'; return; }
    grep -q "^$option=y" "/boot/config-$kernel" 2>/dev/null && { echo 'built in'; return; }
    echo 'not found'
}
for pair in $modules; do field module "${pair%%:*}" "$(module "${pair%%:*}" "${pair#*:}")"; done

# --- control groups
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    field cgroup v2 "$(cat /sys/fs/cgroup/cgroup.controllers)"
elif [ -r /proc/cgroups ]; then
    version=v1
    [ -e /sys/fs/cgroup/unified/cgroup.controllers ] && version=hybrid
    field cgroup "$version" "$(grep ' [0-9]*/cgroup \| cgroup ' /proc/self/mounts 2>/dev/null | sed -n 's|^[^ ]* [^ ]*/\([^/ ]*\) cgroup .*|\1|p' | tr '\n' ' ')"
else
    field why 'control groups' 'the kernel has none, or /proc/cgroups cannot be read'
fi

# --- users
if [ -r /etc/passwd ]; then field users "$(head -c 500000 /etc/passwd)"; else field why users '/etc/passwd cannot be read'; fi

# --- listening sockets, with the processes that hold them
if ! have awk; then
    field why ports 'there is no `awk`'
else
    sockets=$(for kind in tcp tcp6 udp udp6; do
        [ -r "/proc/net/$kind" ] || continue
        awk -v kind="$kind" '(kind ~ /^tcp/ && $4 == "0A") || (kind ~ /^udp/ && $4 == "07") { print kind, $2, $10 }' "/proc/net/$kind"
    done | head -n 5000)
    field sockets "$sockets"
    # One listing of all open files is quicker than a question for each process.
    ls -l /proc/[0-9]*/fd 2>/dev/null | awk -v wanted="$sockets" '
        BEGIN { n = split(wanted, words); for (i = 3; i <= n; i += 3) is_wanted[words[i]] = 1 }
        /^\/proc\// { split($0, parts, "/"); pid = parts[3] }
        match($0, /socket:\[[0-9]+\]$/) {
            inode = substr($0, RSTART + 8, RLENGTH - 9)
            if (inode in is_wanted && !((inode, pid) in seen)) { seen[inode, pid] = 1; print inode, pid }
        }' | head -n 5000 | {
        known=' '
        while read -r inode pid; do
            field owner "$inode" "$pid"
            case $known in *" $pid "*) continue ;; esac
            known="$known$pid "
            field process "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null)" "$(sed -n 's/^1:name=systemd://p; s/^0:://p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)"
        done
    }
    [ "$(id -u)" = 0 ] || field why ports 'the processes of other users are shown to root only'
fi

# --- containers
for engine in $engines; do
    have "$engine" || continue
    if said=$($limit "$engine" ps --all --no-trunc --format '{{.ID}}	{{.Names}}	{{.Image}}	{{.Status}}' 2>/dev/null | head -n 1000); then
        field containers "$engine" "$said"
    fi
    $limit "$engine" ps -q >/dev/null 2>&1 || field why containers "\`$engine\` does not answer"
done
exit 0
