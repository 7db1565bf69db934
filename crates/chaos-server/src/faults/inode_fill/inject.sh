# Makes empty files in a directory of ours until so many inodes are taken. In: dir identity name count keep
free() { stat -f -c %d .; }
cd "$dir" && [ "$(stat -c %d:%i .)" = "$identity" ] || fail 65 "the directory $dir is not the one that was planned any more"
before=$(free)
[ "$((before - count))" -ge "$keep" ] || fail 69 "there are not enough inodes any more in $dir without touching the reserve"
umask 077
will_act
mkdir "./$name" || fail 69 "the directory $dir/$name cannot be made"
cd "./$name" || fail 69 "the directory $dir/$name cannot be entered"
# The directory is one of them. In pieces, so that the reserve and the time are looked at between them.
made=1
read -r start _ </proc/uptime
while [ "$made" -lt "$count" ]; do
    last=$((made + 20000)); [ "$last" -lt "$count" ] || last=$((count - 1))
    [ "$(($(free) - (last - made)))" -ge "$keep" ] || fail 69 "somebody else takes inodes too: the reserve would be touched"
    read -r now _ </proc/uptime
    [ "$((${now%%.*} - ${start%%.*}))" -lt 40 ] || fail 69 "only $made of $count inodes could be taken in 40 seconds"
    seq "$made" "$last" | sed 's/^/i/' | xargs touch || fail 69 "only some $made of $count inodes could be taken"
    made=$((last + 1))
done
tell free_before "$before"
tell free_after "$(free)"
there=$(find . -type f | wc -l)
[ "$((there + 1))" = "$count" ] || fail 69 "$((there + 1)) of $count inodes are taken"
tell taken "$((there + 1))"
