# What stands in the way of a reboot, and who is there. Only reads.
field running "$(systemctl is-system-running 2>/dev/null)"
[ ! -e /run/systemd/shutdown/scheduled ] || field scheduled 1
[ ! -e /run/nologin ] || field scheduled 1
if have systemd-inhibit; then
    systemd-inhibit --list --no-pager --no-legend 2>/dev/null | while IFS= read -r line; do
        case $line in *shutdown*' block'*) field inhibitor "$line" ;; esac
    done
fi
who 2>/dev/null | while read -r user line _; do field user "$user on $line"; done
exit 0
