# Reads every unit that systemd has loaded, and those that are named, whether loaded or not. In: properties; units as "$@"
# A name of a unit cannot hold a line break, so a line is a property and an empty line ends a unit.
systemctl show --no-pager -p "$properties" -- '*.service' '*.socket' '*.timer' '*.path' '*.target' '*.mount' '*.automount' \
    '*.swap' '*.scope' '*.slice' "$@"
