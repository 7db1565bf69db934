# What the load took. In: id workers
running; count
[ "$total" -gt "$workers" ] || fail 65 "of $workers workers some have ended"
average
tell cpu_percent_average "$percent"
