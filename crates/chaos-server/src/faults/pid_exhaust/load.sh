# Holds processes. In: their number, seconds. Each waits for a line that never comes, without a program of its own.
count=$1 seconds=$2
sleep "$seconds" | {
    exec 3<&0
    i=0
    while [ "$i" -lt "$count" ]; do (read -r _ <&3) & i=$((i + 1)); done
    wait
}
