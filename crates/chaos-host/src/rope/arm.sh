# Puts the undo and its deadline in place and reads them back. Nothing of the fault happens here.
# In: rope_id rope_dir rope_kind rope_lasting rope_seconds undo_text undo_sum boot_text claims against; late, which may be empty
umask 077
mkdir "$rope_dir" || fail 65 "the directory $rope_dir cannot be made"
# give_back CODE WHY: ends the script, and nothing of it stays. Not where somebody undoes already: that is theirs then.
give_back() {
    [ ! -e "$rope_dir/again" ] && [ ! -e "$rope_dir/undo.new" ] || fail 75 "the undo of this step was asked for before it was armed"
    # The lock, too, is in there where there is no `flock`.
    rm -f "$rope_dir/undo.sh" "$rope_dir/claims" "$rope_dir/lock"; rmdir "$rope_dir"
    fail "$@"
}
no_room() { give_back 69 "the undo cannot be written to $rope_dir"; }
# Should this take so long that somebody undoes meanwhile, they wait for its end and find all of it.
command exec 9<"$rope_dir" && lock 5 || fail 75 "somebody is at work on this step on the host"
[ ! -e "$rope_dir/undo.sh" ] || fail 75 "the undo of this step was asked for before it was armed"
# Looked at behind the directory: who gives up before looks for that one, and later nobody waits.
read -r up _ </proc/uptime
if [ -n "$late" ] && [ "${up%%.*}" -ge "$late" ]; then give_back 75 "the arming came too late"; fi
set -C
printf '%s' "$undo_text" >"$rope_dir/undo.sh" || no_room
set +C
case $(sha256sum <"$rope_dir/undo.sh") in "$undo_sum "*) ;; *) no_room ;; esac
rope_sync "$rope_dir/undo.sh" "$rope_dir"

# Written before the others are read: of two that come at once, at least one sees the other.
if [ -n "$claims" ]; then
    printf '%s\n' "$claims" >"$rope_dir/claims" || no_room
    both=$(clashing "$against" | head -n 1)
    [ -z "$both" ] ||
        fail 65 "another run acts on ${both#* * } there; its undo is ${both%% *}/undo.sh; of two that begin at once both may be refused"
fi

# since_boot SECONDS: sets `on_boot` to so much from now, counted from where `OnBootSec=` counts. In a container that is its own
# start, and whether the time that the machine is up is that of the container, too, differs.
since_boot() {
    read -r up _ </proc/uptime; up=$((${up%%.*} + 1)); first=0
    [ ! -e /run/systemd/container ] || first=$(start_of 1)
    first=$((${first:-0} / 100)); [ "$first" -lt "$up" ] || first=0
    on_boot=$((up - first + $1))
}
arm_systemd() {
    # Two times for one moment: whoever lets systemd read its units again moves the first one on, as long as it is again. The
    # second one stays; it comes late only where the machine was suspended since it booted. The default accuracy of a timer is a
    # minute. Without IgnoreOnIsolate, isolating a target would stop it. No word may need quotes: systemd reads its own wrongly.
    since_boot "$rope_seconds"
    systemd-run -q --collect --unit="$rope_id" --description="Deadline of $rope_id" --on-active="$rope_seconds" --on-boot="$on_boot" \
        --timer-property=AccuracySec=1us --timer-property=IgnoreOnIsolate=yes --timer-property=StartLimitIntervalSec=0 \
        -p Type=oneshot -p TimeoutStartSec=120 -p Restart=on-failure -p RestartSec=1 -p StartLimitIntervalSec=0 \
        /bin/sh "$rope_dir/undo.sh" deadline || fail 69 "the deadline cannot be started"
    # It has waited for the start. The file of a unit of this kind is gone with the unit, and that goes with the timer's end.
    [ -e "/run/systemd/transient/$rope_id.timer" ] || fail 69 "the deadline did not start"
}
arm_boot() {
    # Written and linked, not enabled: nothing has to be loaded now, and the next boot finds it.
    unit=/etc/systemd/system/$rope_id-boot.service
    wants=/etc/systemd/system/sysinit.target.wants
    # A host that has none gets one as the others have it, and loses it again.
    [ -d "$wants" ] || { mkdir -m 755 "$wants" && printf '' >"$rope_dir/made"; } || fail 69 "the boot unit cannot be linked"
    printf '%s' "$boot_text" >"$unit.new" && mv "$unit.new" "$unit" || fail 69 "the boot unit cannot be written"
    ln -s "$unit" "$wants/$rope_id-boot.service" || fail 69 "the boot unit cannot be linked"
    rope_sync "$unit" /etc/systemd/system "$wants"
}
arm_detached() {
    read -r up _ </proc/uptime
    printf '%s\n' $((${up%%.*} + rope_seconds)) >"$rope_dir/deadline" || fail 69 "the deadline cannot be written"
    # It looks at the deadline each second, so that the deadline can be moved; it ends with the directory.
    cat >"$rope_dir/watch.sh" <<'WATCH' || fail 69 "the deadline cannot be written"
trap '' HUP
while [ -d "$1" ] && [ ! -e "$1/done" ]; do
    read -r up _ </proc/uptime; read -r deadline <"$1/deadline"
    if [ "${up%%.*}" -ge "${deadline:-0}" ]; then sh "$1/undo.sh" deadline; fi
    sleep 1
done
WATCH
    run=; have setsid && run=setsid
    (cd / && $run sh "$rope_dir/watch.sh" "$rope_dir" </dev/null >/dev/null 2>&1 9<&- & printf '%s\n' "$!" >"$rope_dir/watch.pid")
    read -r pid <"$rope_dir/watch.pid" && [ -d "/proc/$pid" ] || fail 69 "the deadline did not start"
    printf '%s %s\n' "$pid" "$(start_of "$pid")" >"$rope_dir/watch"; rm -f "$rope_dir/watch.pid"
}

case $rope_kind in
    systemd) arm_systemd; [ "$rope_lasting" = 0 ] || arm_boot ;;
    detached) arm_detached ;;
esac
