# Lets units start again and starts what was active. In: id held folders back
set -f
removed=0
for unit in $held; do
    dir=/run/systemd/system/$unit.d; file=$dir/zzz-$id.conf
    if [ -e "$file" ]; then
        rm -f -- "$file" && removed=$((removed + 1)) || fail 69 "$file cannot be removed"
    fi
    # A folder that was there before stays, and one that holds what somebody else put there.
    case " $folders " in *" $unit "*) ;; *) [ ! -d "$dir" ] || rmdir -- "$dir" 2>/dev/null ;; esac
done
[ "$removed" -gt 0 ] || acted || { tell restored 0; exit 0; }
# After a crash the file may be gone and still be loaded.
case $(systemctl show -p DropInPaths --value -- $held) in
    *"zzz-$id.conf"*) systemctl daemon-reload || fail 69 "systemd does not load its units again" ;;
esac
bring_all_back $back || exit 1
tell restored "$started"
