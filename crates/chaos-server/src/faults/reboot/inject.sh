# Asks for the reboot. In: boot
[ "$(cat /proc/sys/kernel/random/boot_id)" = "$boot" ] || fail 65 "the host was rebooted since the plan was made"
sync
systemctl reboot --no-wall -i || fail 69 "systemd refuses to reboot"
