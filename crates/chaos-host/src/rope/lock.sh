# lock SECONDS: takes the lock of the rope's directory, which is open as 9. The directory itself is locked, so that no
# file stays, and a process that dies frees it. Without `flock` a link that names its owner does the same. Returns 1 when
# another one has it for all that time, and 2 when there can be no link: then nobody else has it either.
lock() {
    tries=$(($1 * 10))
    if have flock; then
        # Asked again and again, because the one of BusyBox cannot wait.
        until flock -n 9; do
            tries=$((tries - 1)); [ "$tries" -gt 0 ] || return 1
            nap
        done
        return
    fi
    # Not `$$`, which is the shell that we are a part of, and which outlives us.
    read -r me _ </proc/self/stat
    me="$me $(start_of "$me")"
    refused=0
    until ln -s "$me" "$rope_dir/lock" 2>/dev/null; do
        owner=$(readlink "$rope_dir/lock") && free_dead "$owner" || refused=$((refused + 1))
        [ "$refused" -lt 20 ] || return 2
        tries=$((tries - 1)); [ "$tries" -gt 0 ] || return 1
        nap
    done
    trap 'rm -f "$rope_dir/lock"' EXIT
}
# free_dead OWNER: frees the lock of an owner that is dead. Only one may do that at a time, or who comes late would take the
# lock of the next one away. Fails when there can be no link.
free_dead() {
    [ "$(start_of "${1%% *}")" != "${1#* }" ] || return 0
    if ln -s "$me" "$rope_dir/lock.${1%% *}" 2>/dev/null; then
        [ "$(readlink "$rope_dir/lock")" != "$1" ] || rm -f "$rope_dir/lock"
        rm -f "$rope_dir/lock.${1%% *}"
    else
        other=$(readlink "$rope_dir/lock.${1%% *}") || return 1
        [ "$(start_of "${other%% *}")" = "${other#* }" ] || rm -f "$rope_dir/lock.${1%% *}"
    fi
}
# start_of PID: when a process started, in ticks since boot; nothing when there is none.
start_of() {
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return
    # A name may hold anything, also a line break, and then the first line is not all.
    process=$1
    set -- ${stat##*) }
    if [ $# -ge 20 ]; then echo "${20}"
    else tail -n 1 "/proc/$process/stat" 2>/dev/null | sed 's/.*) //' | cut -d' ' -f20; fi
}
# nap: a tenth of a second, or a whole one where there are no parts of one.
nap() { sleep 0.1 2>/dev/null || sleep 1; }
# rope_sync PATH…: what a power cut must not take. An effect that a reboot takes has its undo in memory.
rope_sync() { [ "$rope_lasting" = 0 ] || sync "$@" 2>/dev/null || sync; }
