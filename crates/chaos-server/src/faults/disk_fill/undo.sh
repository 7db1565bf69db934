# Ends what holds the space; the kernel frees it then. In: those of common.sh, dir identity name
was=0
case $kind in
    unit)
        ! taken || was=$blocks
        systemctl stop "$unit" 2>/dev/null
        # A filler that failed is remembered by its name.
        systemctl reset-failed "$unit" 2>/dev/null
        state=$(systemctl show -p ActiveState --value "$unit")
        [ "$state" = inactive ] || { echo "$unit is still $state" >&2; exit 1; }
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
(cd "$dir" 2>/dev/null && [ "$(stat -c %d:%i .)" = "$identity" ] && [ -f "./$name" ] && [ ! -L "./$name" ] || exit 0
    rm -f "./$name") || fail 75 "$dir/$name cannot be removed"
[ "$was" = 0 ] || tell restored 1
tell freed "$was"
exit 0
