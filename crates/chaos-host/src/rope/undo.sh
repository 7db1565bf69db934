# What stands around the undo of one fault. It is run by the deadline, at boot, or by us, and by all of them at once if it
# comes to that: one works, the others see `done`. Nothing is written before the effect is gone, because the disk may be full.

# acted: whether the inject of this step came to its first effect. Only for faults whose inject calls `will_act`.
acted() { [ -e "$rope_dir/acted" ]; }
# never_acted: whether it is sure that it did not. Where the rope had been removed and was written again, nobody knows.
never_acted() { [ -d "$rope_dir" ] && ! acted && [ ! -e "$rope_dir/again" ]; }
# `booted` is the boot that this one runs in, for what the undo of the fault has to know of it.
# taken_back: takes the effect back, unless a reboot has.
taken_back() {
    if [ "$rope_lasting" = 0 ] && [ "$booted" != "$rope_boot" ]; then tell rebooted 1; else undo </dev/null; fi
}
# moved_on: whether the deadline was moved on and has not come.
moved_on() {
    { read -r deadline <"$rope_dir/deadline"; } 2>/dev/null || return 1
    read -r up _ </proc/uptime
    left=$((${deadline:-0} - ${up%%.*})); [ "$left" -gt 0 ]
}
# await_deadline: ends here when it has not come in the time that the unit gives; the unit tries again.
await_deadline() {
    moved_on || return 0
    [ "$left" -le 45 ] || left=45
    sleep "$left"
    ! moved_on || exit 1
}
# told_before: what stays true of the attempts before this one: who made the first of them and when, how much that one took back,
# how much all of them did, and what cannot come back.
told_before() {
    head -n 3 "$rope_dir/done"
    all=0
    for some in $(sed -n 's/^restored=//p' "$rope_dir/done"); do all=$((all + some)); done
    first=$(sed -n 's/^first=//p' "$rope_dir/done")
    tell first "${first:-$all}"
    tell restored "$all"
    sed -n '/^note=/p' "$rope_dir/done"
}
chaos_undo_main() {
    [ "$1" != deadline ] || await_deadline
    # Not knowing the boot must never look like another one.
    read -r booted </proc/sys/kernel/random/boot_id && [ -n "$booted" ] || exit 1
    if [ "$1" = unwritten ]; then
        # There is no room for a rope, so nobody else is at work, and who asks hears what was done.
        said=$(taken_back) && printf 'by=chaos\n%s\n' "$said"
        exit
    fi
    [ -d "$rope_dir" ] && command exec 9<"$rope_dir" || exit 0
    # The effect itself may be that there is no room for a lock.
    lock 45 || [ "$?" = 2 ] || exit 1
    # It was removed while we waited, and perhaps made again for somebody else.
    [ -e "$rope_dir/undo.sh" ] || exit 0
    before=
    if [ -e "$rope_dir/done" ]; then
        # What clashed is looked at once more when somebody asks: they may have mended it.
        [ "$1" = anew ] && grep -q '^conflict=' "$rope_dir/done" || exit 0
        before=$(told_before) || exit 1
    fi
    said=$(taken_back 9<&-) || exit 1
    read -r uptime _ </proc/uptime
    said="${before:-by=$1
boot=$booted
uptime=$uptime}
$said"
    printf '%s\n' "$said" >"$rope_dir/done.new" && mv "$rope_dir/done.new" "$rope_dir/done" ||
        fail 75 "the effect is taken back, and there is no room in $rope_dir to write that down"
    # Behind `done` the next boot has nothing to undo. What cannot be removed now is removed with the rope.
    [ "$rope_lasting" = 0 ] || rm -f "/etc/systemd/system/sysinit.target.wants/$rope_id-boot.service" \
        "/etc/systemd/system/$rope_id-boot.service" 2>/dev/null
    # Who asks hears it at once.
    [ "$1" = deadline ] || [ "$1" = boot ] || printf '%s\n' "$said"
    exit 0
}
