# rope_holds: whether the deadline is there and has not come.
rope_holds() {
    [ -d "$rope_dir" ] || fail 65 "the deadline on the host was removed"
    [ ! -e "$rope_dir/done" ] || fail 65 "the deadline on the host has come"
    case $rope_kind in
        systemd)
            # The file of a unit that was not written by hand lives as long as the unit. Asking costs a program.
            [ -e "/run/systemd/transient/$rope_id.timer" ] || systemctl is-active -q "$rope_id.timer" ||
                fail 65 "the deadline on the host has come or was stopped" ;;
        detached)
            read -r pid start <"$rope_dir/watch" && [ "$(start_of "$pid")" = "$start" ] || fail 65 "the deadline on the host was stopped" ;;
    esac
}
