# What every fault needs to know of a host, in one question. In: tools
[ "$(uname -s)" = Linux ] || fail 65 "it is no Linux, but \`$(uname -s)\`"
[ -r /proc/sys/kernel/random/boot_id ] || fail 69 '/proc is not mounted there, or cannot be read'
os=$(. /etc/os-release 2>/dev/null && printf '%s' "$PRETTY_NAME")
field os "${os:-Linux}"
field kernel "$(uname -r)"
field hostname "$(cat /proc/sys/kernel/hostname)"
field machine_id "$(cat /etc/machine-id 2>/dev/null || cat /var/lib/dbus/machine-id 2>/dev/null)"
# What a host without a machine id keeps over reboots all the same.
field host_keys "$(cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null)"
field board "$(cat /sys/class/dmi/id/product_uuid 2>/dev/null)"
field boot_id "$(cat /proc/sys/kernel/random/boot_id)"
field has_systemd "$([ -d /run/systemd/system ] && have systemctl && have systemd-run && echo 1)"
field uid "$(id -u)"
field user "$(id -un 2>/dev/null || id -u)"
for tool in $tools; do have "$tool" && field tool "$tool"; done
field run_free_kib "$(df -Pk /run 2>/dev/null | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p')"
field lasting_writable "$([ -w /var/lib ] && { [ ! -d /etc/systemd ] || [ -w /etc/systemd/system ]; } && echo 1)"
# The processes above us are the way we came: our session, and the server that let us in. `sudo` empties the environment, so
# the addresses are asked of them too.
pid=$$
way=''
while [ "${pid:-0}" -gt 1 ]; do
    field own_cgroup "$(sed -n 's/^1:name=systemd://p; s/^0:://p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)"
    if [ -z "$way" ]; then
        way=$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p')
        [ -n "$way" ] && field ssh_connection "$way"
    fi
    pid=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f2)
done
exit 0
