# Kills the first process of a container, as a crash would. In: engine container since signal
# The engine's own `kill` is a stop on purpose, after which no restart policy applies, not even at the next boot.
# ended: whether the engine says that this life of the container is over. No answer says nothing, and neither do states in which
# it lives on, such as `paused` and `stopping`.
ended() {
    now=$(status) && life=$(started) || return 1
    case $now in
        exited|stopped|dead|restarting) ;;
        *) [ "$life" != "$since" ] ;;
    esac
}
same_life
pid=$(container_pid) || fail 69 "the first process of the container is not on this host"
will_act
# What was found belongs to the life that was asked for, unless that ended in the moment between.
same_life
kill -s "$signal" "$pid" || fail 69 "its first process cannot be sent $signal"
soon 15 ended || fail 65 "the container goes on after SIG$signal: it handles that signal, or ignores it"
tell containers_killed 1
