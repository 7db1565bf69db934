# Asks a container engine about one container. All three programs answer to most of these words. In: engine container
# ask FORMAT: one answer about the container; fails where there is none, or the engine does not answer in time.
ask() { bounded 20 "$engine" container inspect --format "$1" "$container" 2>/dev/null; }
# bounded SECONDS COMMAND…: an engine may hang for ever.
bounded() {
    if have timeout; then timeout "$@"; else shift; "$@"; fi
}
# started: when it was started last, down to the nanosecond: another one means another life of it. nerdctl does not tell; it tells
# the first process, also of a life that is over.
started() {
    case $engine in
        nerdctl) ask 'process {{.State.Pid}}' ;;
        *) ask '{{.State.StartedAt}}' ;;
    esac
}
# labelled NAME: nerdctl keeps in labels what others tell by name.
labelled() { ask "{{with index .Config.Labels \"$1\"}}{{.}}{{end}}"; }
status() { ask '{{.State.Status}}'; }
# container_pid: the first process of the container, as the host numbers it; fails where it does not run. What is in the
# host's own mount namespace is no container: then the engine's number is of another machine.
container_pid() {
    pid=$(ask '{{.State.Pid}}') || return 1
    case $pid in ''|0|*[!0-9]*) return 1 ;; esac
    [ -d "/proc/$pid" ] && [ "$(readlink "/proc/$pid/ns/mnt")" != "$(readlink /proc/1/ns/mnt)" ] || return 1
    printf '%s\n' "$pid"
}
# soon SECONDS COMMAND…: whether it succeeds within about so many seconds; asking an engine takes a tenth of one, too.
soon() {
    tries=$(($1 * 5)); shift
    until "$@"; do
        tries=$((tries - 1)); [ "$tries" -gt 0 ] || return 1
        sleep 0.1 2>/dev/null || sleep 1
    done
}
