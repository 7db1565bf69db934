# Lists the processes of the host. In: pid_file, whose number is read too when it is set
if [ -n "$pid_file" ]; then
    [ -f "$pid_file" ] || fail 65 "there is no file $pid_file"
    field file "$(head -c 32 <"$pid_file" | tr -d ' \n\t')"
fi
# We ourselves, and everything that we run below.
pid=$$
while [ "${pid:-0}" -gt 1 ]; do
    field ours "$pid"
    pid=$(tr '\n' ' ' <"/proc/$pid/stat" 2>/dev/null | sed 's/.*) //' | cut -d' ' -f2)
done
field ours 1
for dir in /proc/[0-9]*; do
    # A name may hold a line break, and then the first line is not all.
    { read -r stat <"$dir/stat"; } 2>/dev/null || continue
    case $stat in *') '?' '*' '*) ;; *) stat=$(tr '\n' ' ' <"$dir/stat" 2>/dev/null) ;; esac
    group=
    while IFS= read -r line; do
        case $line in 1:name=systemd:*) group=${line#1:name=systemd:}; break ;; *:name=systemd:*) group=${line#*:name=systemd:}; break ;; 0::*) group=${line#0::} ;; esac
    done 2>/dev/null <"$dir/cgroup"
    command=
    # What the kernel runs by itself has no command line, and descends from process 2.
    case $stat in *') '?' 2 '*|'2 ('*) ;; *) command=$(tr '\0\n' '  ' <"$dir/cmdline" 2>/dev/null) ;; esac
    field process "$stat"; field "$group" "$command"
done
exit 0
