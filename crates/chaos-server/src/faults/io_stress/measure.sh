# What the load read and wrote. In: id workers
running; count
[ "$total" -gt "$workers" ] || fail 65 "of $workers workers some have ended"
moved
# Each worker writes its file first. What was read before that is only the programs.
[ "$bytes_written" -gt 0 ] || fail 75 "nothing has been written yet"
tell bytes_read "$bytes_read"
tell bytes_written "$bytes_written"
