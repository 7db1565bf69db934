# Counts what is still taken. In: dir name
there=$(find "$dir/$name" 2>/dev/null | wc -l)
[ "$there" -gt 0 ] || fail 69 "the directory $dir/$name is not there any more"
tell taken "$there"
tell free_now "$(stat -f -c %d "$dir")"
