# Keeps CPUs busy. In: workers, and of each hundredth of a second how many are spent
workers=$1 busy=$2
now() { read -r up _ </proc/uptime; at=$((${up%.*} * 100 + 1${up#*.} - 100)); }
work() {
    if [ "$busy" -ge 100 ]; then
        while :; do :; done
    fi
    rest=0.$(printf %02d "$((100 - busy))")
    while :; do
        now; end=$((at + busy))
        while [ "$at" -lt "$end" ]; do
            i=0; while [ "$i" -lt 500 ]; do i=$((i + 1)); done
            now
        done
        sleep "$rest"
    done
}
i=0
while [ "$i" -lt "$workers" ]; do work & i=$((i + 1)); done
wait
