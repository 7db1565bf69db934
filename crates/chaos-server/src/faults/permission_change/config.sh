# Finds the configuration of services: their environment files, and what lies in /etc by their name. Arguments: units
found() { for path do [ ! -f "$path" ] || [ -L "$path" ] || field "$path"; done; }
for unit do
    name=${unit%.service}; stem=${name%%@*}
    systemctl show -p EnvironmentFiles -- "$unit" | sed -n 's/^EnvironmentFiles=\(.*\) (ignore_errors=[a-z]*)$/\1/p' |
        while IFS= read -r path; do found "$path"; done
    for each in "$name" "$stem"; do
        case $each in ''|.*|*/*) continue ;; esac
        found "/etc/$each.conf" "/etc/default/$each" "/etc/sysconfig/$each"
        [ -L "/etc/$each" ] || [ ! -d "/etc/$each" ] || find "/etc/$each" -xdev -type f -links 1 -print0
    done
done
exit 0
