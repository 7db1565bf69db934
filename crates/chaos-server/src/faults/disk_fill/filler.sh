# Takes space on a file system for as long as a process lives: an open file without a name. A reboot, a kill and the end
# of its time free it. It runs in a unit of its own, or as a process of its own where there is no systemd.
# In the environment: fill_dir fill_identity fill_name fill_bytes fill_keep fill_method fill_seconds, and fill_starts: when a
# unit counts as started, `full` or `begun`; empty where there is none
LC_ALL=C; export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
# Between its making and its removal the file has a name, and nobody ends us there.
trap '' TERM INT HUP
cd "$fill_dir" && [ "$(stat -c %d:%i .)" = "$fill_identity" ] || exit 81
set -C
command exec 8>"./$fill_name" || exit 82
rm -f "./$fill_name"
set +C
trap - TERM INT
file=/proc/self/fd/8
# room_for BYTES: ends here when the reserve would be touched.
room_for() {
    set -- "$1" $(stat -f -c '%a %S' .)
    [ $# = 3 ] && [ "$(($2 * $3 - $1))" -ge "$fill_keep" ] || exit 83
}
# reserve: lets the file system reserve it. Some say yes and reserve nothing, so what it takes is looked at.
reserve() {
    said=$(fallocate -l "$fill_bytes" $file 2>&1) && [ "$(($(stat -L -c %b $file) * 512))" -ge "$((fill_bytes / 100 * 95))" ] && return
    [ "$fill_method" = fallocate ] || return
    case $said in *"not supported"*) exit 84 ;; *"No space"*) exit 83 ;; *) exit 85 ;; esac
}
# write: in pieces, so that the reserve is looked at between them. Random bytes: zeros would be compressed to nothing.
write() {
    : >$file
    left=$fill_bytes
    while [ "$left" -gt 0 ]; do
        piece=67108864; [ "$left" -ge "$piece" ] || piece=$left
        room_for "$piece"
        head -c "$piece" /dev/urandom >&8 || exit 83
        left=$((left - piece))
    done
}
# take: what may last longer than a moment.
take() { [ "$fill_method" != write ] && reserve || write; exec sleep "$fill_seconds"; }
room_for "$fill_bytes"
[ -n "$fill_starts" ] || take
# systemd waits for what is reserved at once: who asked for the unit need not look again and again until the space is taken.
if [ "$fill_starts" = full ] && [ "$fill_method" != write ]; then
    if reserve; then sleep "$fill_seconds" & exit 0; fi
    fill_method=write
fi
# systemd learns who holds the space when this shell ends. Who ends before that leaves no status.
{ sleep 0.1; take; } & exit 0
