# Ends what holds the space; the kernel frees it then. In: those of common.sh, dir identity name
was=; holder=
! filler || { was=1; holder=$pid; }
case $kind in
    unit)
        file=/run/systemd/transient/$unit
        # The unit ends with what it holds, and its file with the unit. Asking systemd costs several times what a nap does.
        tries=0
        [ -z "$was" ] || [ ! -e "$file" ] || { kill -s TERM "$holder" 2>/dev/null && tries=4; }
        while [ "$tries" -gt 0 ] && [ -e "$file" ]; do nap; tries=$((tries - 1)); done
        [ "$tries" -gt 0 ] || systemctl stop "$unit" 2>/dev/null ;;
    process)
        for sign in TERM KILL KILL KILL; do
            left=$(marked); [ -n "$left" ] || break
            kill -s "$sign" $left 2>/dev/null; sleep 0.1
        done
        [ -z "$(marked)" ] || { echo "what holds the space does not end" >&2; exit 1; } ;;
esac
# Had it been killed the moment before the file lost its name, the name would still be there.
[ ! -e "$dir/$name" ] || (cd "$dir" 2>/dev/null && [ -f "./$name" ] && [ ! -L "./$name" ] && [ "$(stat -c %d:%i .)" = "$identity" ] || exit 0
    rm -f "./$name") || fail 75 "$dir/$name cannot be removed"
if [ "$kind" = unit ]; then
    # It is gone with the unit; while it is there, systemd may only not have come to it.
    if [ -e "$file" ]; then
        # A filler that failed is remembered by its name.
        systemctl reset-failed "$unit" 2>/dev/null
        state=$(systemctl show -p ActiveState --value "$unit")
        [ "$state" = inactive ] || fail 75 "$unit is still $state"
    fi
    # What cannot be killed outlives its unit.
    ! member || fail 75 "what holds the space does not end"
fi
[ -z "$was" ] || [ ! -e "/proc/$holder/fd/8" ] || fail 75 "what holds the space does not end"
[ -z "$was" ] || tell restored 1
exit 0
