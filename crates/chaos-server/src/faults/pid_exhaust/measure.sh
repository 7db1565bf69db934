# Whether the processes are there. In: id least
running; count
[ "$total" -ge "$least" ] || fail 75 "$total of $least processes are there"
tell processes "$total"
