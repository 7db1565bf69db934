# Holds open files. In: their number, the most of one process, seconds. `tee` opens what it is told to, as often as it is told.
count=$1 most=$2 seconds=$3
sleep "$seconds" | {
    exec 3<&0
    while [ "$count" -gt 0 ]; do
        part=$most; [ "$count" -gt "$most" ] || part=$count
        set -- /dev/null
        while [ "$#" -lt "$part" ]; do set -- "$@" "$@"; done
        shift $(($# - part))
        tee "$@" <&3 >/dev/null &
        count=$((count - part))
    done
    wait
}
