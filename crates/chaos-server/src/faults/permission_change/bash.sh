# Runs a job over the files that come in, in bash, behind batch.sh. In: those of run.sh
tell() { printf '%s=%s\n' "$1" "$2"; }
# A long string with something behind it is a new long string everywhere else.
remember() { links+=" $1"; planned+=$nl$2; ours+=$nl$3; }
set -f
nl=$'\n' IFS=$'\n'
# `mapfile` reads a pipe byte by byte.
all=($(cat))
unset IFS
# Whoever wrote or read it may have been killed, and a part is not all.
at=$((${#all[@]} - 1))
[ "$at" = "$((total * 2))" ] && [ "${all[at]}" = end ] || exit 1
unset "all[at]"
for ((at = plain_count * 2 + 1; at < ${#all[@]}; at += 2)); do
    all[at]=${all[at]//$'\1b'/$nl}; all[at]=${all[at]//$'\1a'/$'\1'}
done
ulimit -Sn 1000 2>/dev/null
first=100 last=$(ulimit -n)
case $last in unlimited) last=899 ;; *) [ "$last" -gt 900 ] && last=899 || last=$((last - 1)) ;; esac
[ "$last" -ge 110 ] || { first=3 last=8; }
permissions "$first" "$last" "${all[@]}"
