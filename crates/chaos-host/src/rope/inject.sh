# Acts, under the lock and with the rope in place: behind a rope that has fired nothing may happen any more.
rope_holds
# will_act: called by an inject that has checked all it checks, right before its first effect. It says to the undo that what it
# finds may be our doing, also after a power cut.
will_act() {
    # No `:`, where a redirection that fails ends the shell.
    printf '' >"$rope_dir/acted" || fail 69 "nothing can be written to $rope_dir"
    rope_sync "$rope_dir/acted" "$rope_dir"
}
# What an inject runs in a unit of its own it may write to `$rope_dir/work.sh`; that goes with the rope.
# In a shell of its own: what an inject leaves running must not keep the lock.
(inject 9<&-)
