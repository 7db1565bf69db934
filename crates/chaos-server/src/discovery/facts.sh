# What every fault needs to know of a host, in one question. In: tools
# Hundreds of hosts are asked at once, some of them small: what the shell can do itself starts no program.
line() { text=; { IFS= read -r text <"$1"; } 2>/dev/null || [ -n "$text" ]; }
line /proc/sys/kernel/ostype || text=$(uname -s)
[ "$text" = Linux ] || fail 65 "it is no Linux, but \`$text\`"
line /proc/sys/kernel/random/boot_id || fail 69 '/proc is not mounted there, or cannot be read'
field boot_id "$text"
os=$(. /etc/os-release 2>/dev/null && printf '%s' "$PRETTY_NAME")
field os "${os:-Linux}"
line /proc/sys/kernel/osrelease; field kernel "$text"
line /proc/sys/kernel/hostname; field hostname "$text"
line /etc/machine-id || line /var/lib/dbus/machine-id; field machine_id "$text"
case $text in ''|*[!0-9a-f]*)
    # What a host without a machine id keeps over reboots all the same.
    field host_keys "$(cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null)"
    field board "$(cat /sys/class/dmi/id/product_uuid 2>/dev/null)" ;;
esac
yes=; if [ -d /run/systemd/system ] && have systemctl && have systemd-run; then yes=1; fi
field has_systemd "$yes"
uid=
{ while read -r key _ id _; do [ "$key" != Uid: ] || { uid=$id; break; }; done; } 2>/dev/null </proc/self/status
uid=${uid:-$(id -u)}
field uid "$uid"
if [ "$uid" = 0 ]; then field user root; else field user "$(id -un 2>/dev/null || echo "$uid")"; fi
for tool in $tools; do have "$tool" && field tool "$tool"; done
# Where undo and deadline are written. What is missing has no line.
df -Pk /run /var/lib /etc/systemd/system 2>/dev/null | {
    read -r _
    read -r _ _ _ free _; field run_free_kib "$free"
    while read -r _ _ _ free _; do field lasting_free_kib "$free"; done
}
yes=; if [ -w /var/lib ] && { [ ! -d /etc/systemd ] || [ -w /etc/systemd/system ]; }; then yes=1; fi
field lasting_writable "$yes"
# The processes above us are the way we came: our session, and the server that let us in. `sudo` empties the environment, so
# the addresses are asked of them too.
own_cgroup() {
    while IFS= read -r line; do
        case $line in 1:name=systemd:*|0::*) line=${line#*:}; field own_cgroup "${line#*:}"; return ;; esac
    done
}
way=${SSH_CONNECTION:-}
[ -z "$way" ] || field ssh_connection "$way"
pid=$$
while [ "${pid:-0}" -gt 1 ]; do
    { own_cgroup <"/proc/$pid/cgroup"; } 2>/dev/null
    if [ -z "$way" ]; then
        way=$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p')
        [ -n "$way" ] && field ssh_connection "$way"
    fi
    line "/proc/$pid/stat"
    set -- ${text##*) }
    pid=${2:-0}
    case $pid in *[!0-9]*) break ;; esac
done
# The last of all: an arming counts from when the answer came.
line /proc/uptime; field uptime "${text%%.*}"
exit 0
