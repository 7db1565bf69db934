# Starts what takes the space, and waits a little for it. In: those of common.sh, dir identity name keep method seconds filler
before=$(available) || fail 65 "the directory $dir is not the one that was planned any more"
case $kind in
    unit)
        # Values travel in the environment, where systemd expands nothing; in words of a command it would.
        systemd-run -q --unit="$unit" --service-type=exec -p RuntimeMaxSec="$seconds" -p TimeoutStopSec=10 -p Nice=10 \
            -p IOSchedulingPriority=7 -p CPUWeight=20 -p Description="Space taken by $id" \
            -E "fill_dir=$dir" -E "fill_identity=$identity" -E "fill_name=$name" -E "fill_bytes=$bytes" \
            -E "fill_keep=$keep" -E "fill_method=$method" -E "fill_seconds=$seconds" \
            /bin/sh -c "$filler" || ended "the unit that takes the space cannot be started" ;;
    process)
        run=; have setsid && run=setsid
        fill_dir=$dir fill_identity=$identity fill_name=$name fill_bytes=$bytes fill_keep=$keep fill_method=$method fill_seconds=$seconds \
        fill_mark=$id $run sh -c "$filler" </dev/null >/dev/null 2>&1 & started=$! ;;
esac
# It takes milliseconds where the file system can reserve; where it is written, we are asked again.
tries=100
sleep 0.03
while [ "$tries" -gt 0 ]; do
    if taken; then ! is_full || break
    elif [ "$kind" = unit ]; then ended
    elif [ ! -d "/proc/$started" ]; then wait "$started"; ended '' "$?"; fi
    tries=$((tries - 1)); sleep 0.05
done
tell available_before "$before"
tell available_after "$(available)"
tell taken "$blocks"
