# Undoes now, by the very script that the deadline would run, and tells what it wrote down. Should we be cut off, the deadline
# does what is left. In: rope_id rope_dir rope_kind in_unit undo_text undo_sum
umask 077
# whole: whether the undo is there as we would write it.
whole() {
    [ -e "$rope_dir/undo.sh" ] || return 1
    case $(sha256sum <"$rope_dir/undo.sh") in "$undo_sum "*) ;; *) return 1 ;; esac
}
# undo_as WHO: it holds the lock while it works, and must not keep it from the deadline for ever.
undo_as() {
    if [ "$rope_kind$in_unit" = systemd1 ]; then
        # What it starts must not be a part of our login. The unit goes on without us.
        systemd-run -q --collect --wait --unit="$rope_id-undo" --description="Undo of $rope_id" -p Type=oneshot -p TimeoutStartSec=120 \
            -p StandardOutput=null -p StandardError=journal /bin/sh "$rope_dir/undo.sh" "$1"
    elif [ "$rope_kind" = systemd ] && have timeout; then timeout 120 sh "$rope_dir/undo.sh" "$1"
    else sh "$rope_dir/undo.sh" "$1"
    fi || fail 75 "the undo on the host did not succeed"
}
# clashed: whether it was done and met what somebody else had changed. That is looked at once more: they may have mended it.
clashed() { grep -q '^conflict=' "$rope_dir/done"; }
has_ended=; [ ! -e "$rope_dir/done" ] || has_ended=1
[ -z "$has_ended" ] || tell already 1
# Where nothing can be written the undo runs without a rope, and what it did is told and not written down. Without its directory
# nobody else acts on this step: who injects needs it, and it is made at the arming, which fails for the same reason.
without_room() {
    # It was done once, and what it wrote down then is still so.
    [ -z "$has_ended" ] || { cat "$rope_dir/done"; exit 0; }
    rm -f "$rope_dir/again" "$rope_dir/undo.new" 2>/dev/null
    # Cut to nothing by a loss of power: its arming never went on.
    [ -s "$rope_dir/undo.sh" ] || rm -f "$rope_dir/undo.sh" 2>/dev/null
    rmdir "$rope_dir" 2>/dev/null
    [ ! -d "$rope_dir" ] || fail 69 "the undo cannot be written to $rope_dir"
    printf '%s' "$undo_text" | sh -s unwritten || fail 75 "the undo on the host did not succeed"
    exit 0
}
if { [ -z "$has_ended" ] || clashed; } && ! whole; then
    # Most find theirs there, and some are long: it is only sent where it must be written.
    [ -n "$undo_text" ] || { tell absent 1; exit 0; }
    # One that is there was cut by a loss of power, and then nothing was done; or another version of ours wrote it; or somebody else
    # has written to it.
    was_there=1
    if [ ! -e "$rope_dir/undo.sh" ]; then
        was_there=
        { mkdir -p "$rope_dir" && printf '' >"$rope_dir/again"; } 2>/dev/null || without_room
    fi
    # Never armed, removed by somebody, or gone with a reboot. It is written again: it undoes what may be there, and what
    # is written keeps a late arming out.
    { printf '%s' "$undo_text" >"$rope_dir/undo.new" && mv "$rope_dir/undo.new" "$rope_dir/undo.sh"; } 2>/dev/null ||
        without_room
    [ -n "$was_there" ] || tell written 1
fi
said=
if [ ! -e "$rope_dir/done" ]; then said=$(undo_as chaos) || exit
elif [ -n "$has_ended" ] && clashed; then said=$(undo_as anew) || exit
fi
[ -e "$rope_dir/done" ] || fail 75 "the undo on the host left no word"
# It says nothing when another one was quicker.
if [ -n "$said" ]; then printf '%s\n' "$said"; else cat "$rope_dir/done"; fi
