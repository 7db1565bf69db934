# lock SECONDS: takes the lock of the rope's directory, which is open as 9. The directory itself is locked, so that no
# file stays, and a process that dies frees it. Without `flock` a link that names its owner does the same.
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
    me="$$ $(start_of $$)"
    until ln -s "$me" "$rope_dir/lock" 2>/dev/null; do
        owner=$(readlink "$rope_dir/lock") || continue
        if [ "$(start_of "${owner%% *}")" != "${owner#* }" ]; then
            # Its owner is dead. Of those who see that, one moves it away.
            mv "$rope_dir/lock" "$rope_dir/lock.$$" 2>/dev/null && rm -f "$rope_dir/lock.$$"
            continue
        fi
        tries=$((tries - 1)); [ "$tries" -gt 0 ] || return 1
        nap
    done
    trap 'rm -f "$rope_dir/lock"' EXIT
}
# start_of PID: when a process started, in ticks since boot; nothing when there is none.
start_of() { [ -r "/proc/$1/stat" ] && sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
# nap: a tenth of a second, or a whole one where there are no parts of one.
nap() { sleep 0.1 2>/dev/null || sleep 1; }
