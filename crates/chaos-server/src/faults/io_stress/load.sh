# Reads and writes. In: workers, directory, id, MiB of each worker's file, percent of reads
workers=$1 id=$3 mib=$4 reads=$5
cd -P -- "$2" || exit 1
work() {
    umask 077
    # The file has no name from its first byte on.
    set -C; exec 3>"./$id-load-$1" || exit 1
    rm -f -- "./$id-load-$1"
    from=/proc/self/fd/3 flags='' sync=conv=notrunc,fdatasync
    # Not every file system knows direct access. Without it writes are synced, and reads may come from memory.
    if dd if=/dev/zero of=/proc/self/fd/3 bs=1M count=1 conv=notrunc oflag=direct 2>/dev/null; then
        flags=iflag=direct sync='conv=notrunc oflag=direct'
    fi
    dd if=/dev/zero of=/proc/self/fd/3 bs=1M count="$mib" $sync 2>/dev/null || exit 1
    share=0
    while :; do
        share=$((share + reads))
        if [ "$share" -ge 100 ]; then
            share=$((share - 100))
            dd if="$from" of=/dev/null bs=1M count="$mib" $flags 2>/dev/null || exit 1
        else
            dd if=/dev/zero of="$from" bs=1M count="$mib" $sync 2>/dev/null || exit 1
        fi
    done
}
i=0
while [ "$i" -lt "$workers" ]; do i=$((i + 1)); work "$i" & done
wait
