# Moves the deadline on, as far from now as it was from the arming.
[ -d "$rope_dir" ] || fail 65 "the deadline on the host was removed"
exec 9<"$rope_dir"
lock 5 || fail 75 "the undo of this step is at work on the host"
rope_holds
case $rope_kind in
    systemd) systemctl restart "$rope_id.timer" || fail 65 "the deadline on the host cannot be moved" ;;
    detached)
        read -r up _ </proc/uptime
        printf '%s\n' $((${up%%.*} + rope_seconds)) >"$rope_dir/deadline.new" && mv "$rope_dir/deadline.new" "$rope_dir/deadline" ;;
esac
# The timer can be restarted while the undo runs; then it is too late all the same.
[ ! -e "$rope_dir/done" ] || fail 65 "the deadline on the host has come"
