# How an undo finds a container again. In: engine container name, and `since`: when it had been started.
# arrive: sets `now` to its status. Ends the undo where we did nothing, and where there is no such container any more: another
# one is not ours.
arrive() {
    ! never_acted || over 0
    now=$(status) && return
    bounded 20 "$engine" info >/dev/null 2>&1 || fail 75 "$engine does not answer"
    other=$(bounded 20 "$engine" container inspect --format '{{.Id}}' "$name" 2>/dev/null)
    if [ -n "$other" ]; then
        tell conflict "container|made anew by somebody else as $other, left as it is"
    else
        tell conflict 'container|removed by somebody else'
    fi
    over 0
}
# over N: ends the undo with so many things restored.
over() { tell restored "$1"; exit 0; }
# same_life: whether it was not started anew since we looked.
same_life() {
    life=$(started) || fail 75 "$engine does not answer"
    [ "$life" = "$since" ]
}
runs() { [ "$(status)" = running ]; }
# well: whether it says of itself what it said before.
well() {
    [ "$health" = healthy ] || return 0
    [ "$(ask '{{if .State.Health}}{{.State.Health.Status}}{{end}}')" = healthy ]
}
# start_again: starts it and waits until it is as well as it was. What starts slowly is waited for in the next try.
start_again() {
    # By this name Podman sees that a unit runs it, and leaves what watches the container in that unit, to end with it.
    unset INVOCATION_ID NOTIFY_SOCKET
    said=$(bounded 30 "$engine" start "$container" 2>&1) || fail 75 "$engine does not start it: $said"
    soon 10 runs || fail 75 "it was started and does not run"
    # From here on it is we who brought it back, should this be cut off.
    printf 'started\n' >"$rope_dir/acted"
    soon 15 well || fail 75 "it was started and is not healthy yet"
}
# is_ours: whether an undo of this step started it.
is_ours() { [ "$(cat "$rope_dir/acted" 2>/dev/null)" = started ]; }
