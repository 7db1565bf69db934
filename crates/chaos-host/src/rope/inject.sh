# Acts, under the lock and with the rope in place: behind a rope that has fired nothing may happen any more.
exec 9<"$rope_dir" || fail 65 "the deadline on the host was removed"
lock 5 || fail 75 "the undo of this step is at work on the host"
rope_holds
(inject 9<&-)
