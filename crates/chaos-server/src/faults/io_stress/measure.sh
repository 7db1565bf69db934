# What the load read and wrote. In: id workers
running; count
[ "$total" -gt "$workers" ] || fail 65 "of $workers workers some have ended"
moved
[ $((bytes_read + bytes_written)) -gt 0 ] || fail 75 "nothing has been read or written yet"
tell bytes_read "$bytes_read"
tell bytes_written "$bytes_written"
