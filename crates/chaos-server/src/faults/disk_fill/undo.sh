# Ends what holds the space; the kernel frees it then. In: those of common.sh, dir identity name
was=
case $kind in
    unit)
        ! filler || was=1
        file=/run/systemd/transient/$unit
        # The unit ends with what it holds, and its file with the unit. Asking systemd to end it costs a program.
        tries=0
        [ -z "$was" ] || [ ! -e "$file" ] || { kill -s TERM "$pid" 2>/dev/null && tries=4; }
        while [ "$tries" -gt 0 ] && [ -e "$file" ]; do sleep 0.1; tries=$((tries - 1)); done
        [ "$tries" -gt 0 ] || systemctl stop "$unit" 2>/dev/null ;;
    process)
        ! filler || was=1
        for sign in TERM KILL KILL KILL; do
            left=$(marked); [ -n "$left" ] || break
            kill -s "$sign" $left 2>/dev/null; sleep 0.1
        done
        [ -z "$(marked)" ] || { echo "what holds the space does not end" >&2; exit 1; } ;;
esac
# Had it been killed the moment before the file lost its name, the name would still be there.
(cd "$dir" 2>/dev/null && [ -f "./$name" ] && [ ! -L "./$name" ] && [ "$(stat -c %d:%i .)" = "$identity" ] || exit 0
    rm -f "./$name") || fail 75 "$dir/$name cannot be removed"
# The file of a unit of this kind is gone with the unit; while it is there, systemd may only not have come to it.
if [ "$kind" = unit ] && [ -e "/run/systemd/transient/$unit" ]; then
    # A filler that failed is remembered by its name.
    systemctl reset-failed "$unit" 2>/dev/null
    state=$(systemctl show -p ActiveState --value "$unit")
    [ "$state" = inactive ] || fail 75 "$unit is still $state"
fi
[ -z "$was" ] || [ ! -e "/proc/$pid/fd/8" ] || fail 75 "what holds the space does not end"
[ -z "$was" ] || tell restored 1
exit 0
