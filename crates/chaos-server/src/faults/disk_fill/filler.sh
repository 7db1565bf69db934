# Takes space on a file system for as long as this process lives: an open file without a name. A reboot, a kill and the end
# of its time free it. It runs in a unit of its own, or as a process of its own where there is no systemd.
# In the environment: fill_dir fill_identity fill_name fill_bytes fill_keep fill_method fill_seconds
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
available() { set -- $(stat -f -c '%a %S' .); echo $(($1 * $2)); }
room_for() { [ "$(($(available) - $1))" -ge "$fill_keep" ] || exit 83; }
# Some file systems say yes and reserve nothing, so what it takes is looked at.
is_taken() { [ "$(($(stat -L -c %b $file) * 512))" -ge "$((fill_bytes / 100 * 95))" ]; }
room_for "$fill_bytes"
if [ "$fill_method" != write ]; then
    if said=$(fallocate -l "$fill_bytes" $file 2>&1) && is_taken; then fill_method=done
    elif [ "$fill_method" = fallocate ]; then
        case $said in *"not supported"*) exit 84 ;; *"No space"*) exit 83 ;; *) exit 85 ;; esac
    fi
fi
if [ "$fill_method" != done ]; then
    : >$file
    left=$fill_bytes
    # In pieces, so that the reserve is looked at between them. Random bytes: zeros would be compressed to nothing.
    while [ "$left" -gt 0 ]; do
        piece=67108864; [ "$left" -ge "$piece" ] || piece=$left
        room_for "$piece"
        head -c "$piece" /dev/urandom >&8 || exit 83
        left=$((left - piece))
    done
fi
exec sleep "$fill_seconds"
