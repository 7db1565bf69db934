# Runs a job over the files that come in, in bash, behind batch.sh. In: those of run.sh
tell() { printf '%s=%s\n' "$1" "$2"; }
# A long string with something behind it is a new long string everywhere else.
remember() { links+=" $1"; planned+=$nl$2; ours+=$nl$3; }
set -f
nl=$'\n' IFS=$'\n'
# `mapfile` reads a pipe byte by byte.
all=($(cat))
unset IFS
for ((at = plain_count * 2 + 1; at < ${#all[@]}; at += 2)); do
    all[at]=${all[at]//$'\1b'/$nl}; all[at]=${all[at]//$'\1a'/$'\1'}
done
last=899
[ "$(ulimit -n)" -ge 1000 ] || last=299
permissions 100 "$last" "${all[@]}"
