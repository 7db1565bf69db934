# Looks, with the rope in place: behind one that has fired there is nothing to see.
[ -d "$rope_dir" ] || fail 65 "the deadline on the host was removed"
exec 9<"$rope_dir"
lock 5 || fail 75 "the undo of this step is at work on the host"
rope_holds
(measure 9<&-)
