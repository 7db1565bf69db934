# Starts what takes the space, and waits a little for it. In: those of common.sh, dir identity name keep method starts seconds filler
[ -d "$dir" ] || fail 65 "the directory $dir is not the one that was planned any more"
# From a file: as a word of the command it would be all that people see in lists of units and processes.
printf '%s' "$filler" >"$rope_dir/work.sh" || fail 69 "nothing can be written to $rope_dir"
case $kind in
    unit)
        # What writes needs a processor for longer. A weight lets systemd limit all its units, so it is kept for what surely writes.
        polite=; [ "$method" = fallocate ] || polite="-p Nice=10 -p IOSchedulingPriority=7"
        [ "$method" != write ] || polite="$polite -p CPUWeight=20"
        # Values travel in the environment, where systemd expands nothing; in words of a command it would.
        said=$(systemd-run -q --unit="$unit" --description="Space taken by $id" --service-type=forking -p TimeoutStartSec=15 \
            -p RuntimeMaxSec="$seconds" -p TimeoutStopSec=10 $polite \
            -E "fill_dir=$dir" -E "fill_identity=$identity" -E "fill_name=$name" -E "fill_bytes=$bytes" \
            -E "fill_keep=$keep" -E "fill_method=$method" -E "fill_seconds=$seconds" -E "fill_starts=$starts" \
            /bin/sh "$rope_dir/work.sh" 2>&1) || ended "the unit that takes the space does not start: $said"
        taken || ended ;;
    process)
        run=; have setsid && run=setsid
        fill_dir=$dir fill_identity=$identity fill_name=$name fill_bytes=$bytes fill_keep=$keep fill_method=$method fill_seconds=$seconds \
        fill_starts= fill_mark=$id $run sh "$rope_dir/work.sh" </dev/null >/dev/null 2>&1 & started=$!
        # It takes milliseconds where the file system can reserve; where it is written, we are asked again.
        tries=100
        while [ "$tries" -gt 0 ]; do
            sleep 0.05
            if taken; then ! is_full || break
            elif [ ! -d "/proc/$started" ]; then wait "$started"; ended '' "$?"; fi
            tries=$((tries - 1))
        done ;;
esac
tell taken "$blocks"
