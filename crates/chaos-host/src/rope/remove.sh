# Takes the rope away after a verified undo, and looks that nothing of it stays.
wants=/etc/systemd/system/sysinit.target.wants/$rope_id-boot.service
unit=/etc/systemd/system/$rope_id-boot.service
# Once it is there it stays until we remove it below, and the script goes before it.
if [ -e "$rope_dir/undo.sh" ] && [ ! -e "$rope_dir/done" ]; then
    fail 65 "the undo on the host has not ended; its deadline stays"
fi
if [ "$rope_kind" = systemd ]; then
    # Behind `done` a run of the undo has nothing to do any more, and its units are collected with their end.
    boot=; [ "$rope_lasting" = 0 ] || boot=$rope_id-boot.service
    systemctl stop "$rope_id.timer" "$rope_id.service" $boot 2>/dev/null
    tries=100
    while [ -e "/run/systemd/transient/$rope_id.timer" ] || [ -e "/run/systemd/transient/$rope_id.service" ]; do
        tries=$((tries - 1)); [ "$tries" -gt 0 ] || fail 75 "systemd does not end the deadline"
        nap
    done
fi
if [ -d "$rope_dir" ]; then
    command exec 9<"$rope_dir" && lock 10 || fail 75 "the undo is still at work on the host"
fi
if [ -L "$wants" ] || [ -e "$unit" ]; then
    rm -f "$wants" "$unit" "$unit.new"
    rope_sync /etc/systemd/system "${wants%/*}"
fi
if [ "$rope_kind$rope_lasting" = systemd1 ]; then
    # A unit that a boot has loaded stays listed after its file is gone.
    states=$(systemctl show -p LoadState -p ActiveState "$rope_id-boot.service" 2>/dev/null)
    case $states in *LoadState=loaded*) systemctl daemon-reload ;; esac
    case $states in *ActiveState=failed*) systemctl reset-failed "$rope_id-boot.service" 2>/dev/null ;; esac
fi
if [ -d "$rope_dir" ]; then
    if [ -r "$rope_dir/watch" ]; then
        read -r pid start <"$rope_dir/watch"
        [ "$(start_of "$pid")" != "$start" ] || kill -s KILL "$pid"
    fi
    # It was made for ours; it stays where somebody else has come to use it.
    [ ! -e "$rope_dir/made" ] || rmdir "${wants%/*}" 2>/dev/null
    # No name is guessed: what we did not write stays, and then the directory stays and is reported. The last ones are of those
    # who died while they freed the lock of a dead one.
    # `against` is of earlier versions.
    ours='deadline deadline.new watch watch.sh watch.pid undo.new undo.sh claims against work.sh acted again made done.new done lock'
    # With `-d` one program does it all; not every `rm` knows it.
    if cd "$rope_dir"; then
        rm -fd $ours lock.[0-9]* "$rope_dir" 2>/dev/null ||
            { rm -f $ours lock.[0-9]*; rmdir "$rope_dir"; }
    fi
    cd /
    [ ! -d "$rope_dir" ] || fail 69 "$rope_dir cannot be removed"
    rope_sync "${rope_dir%/*}"
fi
[ ! -d "$rope_dir" ] && [ ! -e "$unit" ] && [ ! -L "$wants" ] || fail 69 "something of the deadline stays on the host"
exit 0
