# Whether units can be kept from starting, and which of them have a folder for drop-ins already. In: units as "$@"
[ -w /run/systemd/system ] || fail 69 "/run/systemd/system cannot be written"
for unit do
    [ ! -d "/run/systemd/system/$unit.d" ] || tell folder "$unit"
    [ ! -L "/run/systemd/system/$unit.d" ] || fail 69 "/run/systemd/system/$unit.d is a link"
done
exit 0
