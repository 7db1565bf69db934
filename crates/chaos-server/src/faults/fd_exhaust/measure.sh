# Whether the files are open. In: id least
running
open=0
while read -r pid; do
    set -- "/proc/$pid/fd/"*
    open=$((open + $#))
done <"$group/cgroup.procs"
[ "$open" -ge "$least" ] || fail 75 "$open of $least files are open"
tell files_open "$open"
set -- $(cat /proc/sys/fs/file-nr)
tell files_open_on_host "${1:-0}"
