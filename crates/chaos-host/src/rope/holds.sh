# rope_ended: why there is no deadline any more where `done` is.
rope_ended() {
    case $(sed -n 's/^by=//p' "$rope_dir/done" | head -n 1) in
        boot) fail 65 "the host was rebooted, and undid it at boot" ;;
        by-hand) fail 65 "somebody ran the undo on the host" ;;
        chaos) fail 65 "it was undone by chaos" ;;
        *) fail 65 "the deadline on the host has come" ;;
    esac
}
# rope_holds: takes the lock, and sees that the deadline is there and has not come.
rope_holds() {
    [ -d "$rope_dir" ] || fail 65 "the deadline on the host is gone: it was removed, or the host was rebooted"
    command exec 9<"$rope_dir" || fail 65 "the deadline on the host is gone: it was removed, or the host was rebooted"
    lock 5 || fail 75 "somebody is at work on this step on the host: an inject before, or its undo"
    [ -d "$rope_dir" ] || fail 65 "the deadline on the host is gone: it was removed, or the host was rebooted"
    [ ! -e "$rope_dir/done" ] || rope_ended
    case $rope_kind in
        systemd)
            # The file of a unit that was not written by hand lives as long as the unit. Asking costs a program. The service is
            # there while it waits for a deadline that was moved on.
            [ -e "/run/systemd/transient/$rope_id.timer" ] || [ -e "/run/systemd/transient/$rope_id.service" ] ||
                systemctl is-active -q "$rope_id.timer" ||
                fail 65 "the deadline on the host has come or was stopped" ;;
        detached)
            read -r pid start <"$rope_dir/watch" && [ "$(start_of "$pid")" = "$start" ] || fail 65 "the deadline on the host was stopped" ;;
    esac
}
