# Whether the memory is held. In: id least
running; used
[ "$resident" -ge "$least" ] || fail 75 "the load holds $resident bytes of $least"
tell memory_bytes "$resident"
