# Stops units and keeps them from starting. In: id held folders back
umask 022
set -f
# What was stopped meanwhile was stopped by somebody else, and would be started by the undo.
set -- $back
while [ "$#" -gt 0 ]; do
    systemctl is-active -q -- "$1" || fail 65 "$1 was active when the plan was made, and is not any more"
    shift 3
done
will_act
for unit in $held; do
    dir=/run/systemd/system/$unit.d
    mkdir -p -- "$dir" || fail 69 "$dir cannot be made"
    # The last name of all, so that no other drop-in takes the condition away again.
    (set -C; printf '# %s keeps this unit stopped.\n[Unit]\nConditionPathExists=!/\n' "$id" >"$dir/zzz-$id.conf") \
        || fail 69 "$dir/zzz-$id.conf cannot be written"
done
systemctl daemon-reload || fail 69 "systemd does not load the drop-ins"
for unit in $held; do
    case $(systemctl show -p DropInPaths --value -- "$unit") in
        *"zzz-$id.conf"*) ;;
        *) fail 69 "systemd does not see the drop-in of $unit" ;;
    esac
done
# A service may be slow to stop; it is waited for elsewhere, not under the lock.
systemctl stop --no-block -- $held || fail 69 "systemd does not stop $held"
set -- $held; tell units_held "$#"
