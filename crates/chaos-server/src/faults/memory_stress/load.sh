# Holds memory. In: workers, bytes of each, seconds. `tail` keeps a line that does not end; every page of it is written to.
workers=$1 bytes=$2 seconds=$3
i=0
while [ "$i" -lt "$workers" ]; do
    { head -c "$bytes" /dev/zero; exec sleep "$seconds"; } | tail -n 1 >/dev/null &
    i=$((i + 1))
done
wait
