# Ends what holds the space; the kernel frees it then. In: those of common.sh, dir identity name
was=0
case $kind in
    unit)
        ! taken || was=$blocks
        systemctl stop "$unit" 2>/dev/null
        ;;
    process)
        ! taken || was=$blocks
        for sign in TERM KILL KILL KILL; do
            left=$(marked); [ -n "$left" ] || break
            kill -s "$sign" $left 2>/dev/null; sleep 0.1
        done
        [ -z "$(marked)" ] || { echo "what holds the space does not end" >&2; exit 1; }
        ;;
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
[ "$was" = 0 ] || [ ! -e "/proc/$pid/fd/8" ] || fail 75 "what holds the space does not end"
[ "$was" = 0 ] || tell restored 1
tell freed "$was"
exit 0
