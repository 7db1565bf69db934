# What stands around the undo of one fault. It is run by the deadline, at boot, or by us, and by all of them at once if it
# comes to that: one works, the others see `done`. Nothing is written before the effect is gone, because the disk may be full.

# acted: whether the inject of this step came to its first effect. Only for faults whose inject calls `will_act`.
acted() { [ -e "$rope_dir/acted" ]; }
# never_acted: whether it is sure that it did not. Where the rope had been removed and was written again, nobody knows.
never_acted() { ! acted && [ ! -e "$rope_dir/again" ]; }
chaos_undo_main() {
    [ -d "$rope_dir" ] || exit 0
    exec 9<"$rope_dir" || exit 0
    # The effect itself may be that there is no room for a lock.
    lock 45 || [ "$?" = 2 ] || exit 1
    # It was removed while we waited, and perhaps made again for somebody else.
    [ -e "$rope_dir/undo.sh" ] || exit 0
    by=$1; [ ! -e "$rope_dir/asked" ] || by=chaos
    if [ -e "$rope_dir/done" ]; then
        # What clashed is looked at once more when somebody asks: they may have mended it.
        [ "$1" = anew ] && grep -q '^conflict=' "$rope_dir/done" || exit 0
        by=$(sed -n 's/^by=//p' "$rope_dir/done" | head -n 1)
    fi
    read -r booted </proc/sys/kernel/random/boot_id
    if [ "$rope_lasting" = 0 ] && [ "$booted" != "$rope_boot" ]; then
        said=rebooted=1
    else
        said=$(undo 9<&-) || exit 1
    fi
    read -r uptime _ </proc/uptime
    printf 'by=%s\nboot=%s\nuptime=%s\n%s\n' "$by" "$booted" "$uptime" "$said" \
        >"$rope_dir/done.new" && mv "$rope_dir/done.new" "$rope_dir/done" || exit 1
    # Behind `done` the next boot has nothing to undo. What cannot be removed now is removed with the rope.
    [ "$rope_lasting" = 0 ] || rm -f "/etc/systemd/system/sysinit.target.wants/$rope_id-boot.service" \
        "/etc/systemd/system/$rope_id-boot.service" 2>/dev/null
    exit 0
}
