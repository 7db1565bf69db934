# In: needed, the bytes that must be there now
free=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
[ $((${free:-0} * 1024)) -ge "$needed" ] || fail 69 "meanwhile only ${free:-0} KiB of memory are available"
