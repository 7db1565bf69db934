# Sends a signal to processes and sees them end. In: signal processes services back
set -f
set -- $processes
while [ "$#" -gt 0 ]; do
    look "$1"
    # Another process may have the number by now.
    [ -n "$state" ] && [ "$start" = "$2" ] || fail 65 "process $1 has ended since the plan was made"
    shift 2
done
will_act
set -- $processes
while [ "$#" -gt 0 ]; do
    look "$1"
    # One may have ended with another one.
    [ "$start" != "$2" ] || kill -s "$signal" "$1" || { look "$1"; [ "$start" != "$2" ] || fail 69 "process $1 takes no signal"; }
    shift 2
done
killed=0; tries=100
set -- $processes
while [ "$#" -gt 0 ]; do
    look "$1"
    if [ "$start" = "$2" ] && [ "$state" != Z ] && [ "$state" != X ]; then
        tries=$((tries - 1)); [ "$tries" -gt 0 ] || fail 69 "process $1 lives on after the signal $signal"
        sleep 0.1
        continue
    fi
    killed=$((killed + 1)); shift 2
done
tell processes_killed "$killed"
