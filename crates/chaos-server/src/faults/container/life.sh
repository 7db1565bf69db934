# How an inject makes sure of its container. In: engine container since
# same_life: fails unless it runs and was not started anew since we looked.
same_life() {
    [ "$(status)" = running ] || fail 65 "the container does not run any more"
    [ "$(started)" = "$since" ] || fail 65 "the container was started anew meanwhile"
}
# will_act: says to the undo that what it finds is our doing, also after a power cut.
will_act() {
    : >"$rope_dir/acted" || fail 69 "nothing can be written to $rope_dir"
    sync "$rope_dir/acted" "$rope_dir" 2>/dev/null || sync
}
