# Whether units are stopped, and how many of those that were active are. In: id held folders back
set -f
for unit in $held; do
    case $(systemctl show -p ActiveState --value -- "$unit") in
        inactive|failed) ;;
        deactivating) fail 75 "$unit is still stopping" ;;
        *)
            [ -z "$(systemctl list-jobs --no-legend -- "$unit")" ] || fail 75 "$unit is about to stop"
            # It may have stopped between the two questions.
            systemctl is-active -q -- "$unit" || fail 75 "$unit is about to stop"
            fail 65 "$unit runs, although it was stopped and kept from starting" ;;
    esac
done
stopped=0
set -- $back
while [ "$#" -gt 0 ]; do
    systemctl is-active -q -- "$1" || stopped=$((stopped + 1))
    shift 3
done
tell units_stopped "$stopped"
