# Takes our file off the hosts file. In: id file
dir=/run/$id-hosts
restored=0
tries=5
while mounts=$(our_mounts) && [ -n "$mounts" ]; do
    point=$(printf '%s\n' "$mounts" | tail -n 1)
    # What lies on top is what goes; it must be ours.
    top=$(while read -r _ _ _ root over _; do [ "$over" != "$point" ] || printf '%s\n' "$root"; done </proc/self/mountinfo | tail -n 1)
    case $top in *"/$id-hosts/hosts"*) ;; *) printf 'somebody has mounted something over %s; unmount it first\n' "$point" >&2; exit 1 ;; esac
    umount "$point" 2>/dev/null || umount -l "$point" || exit 1
    restored=1
    tries=$((tries - 1)); [ "$tries" -gt 0 ] || exit 1
done
if [ -d "$dir" ]; then
    rm -f "$dir/hosts"
    rmdir "$dir" || exit 1
fi
tell restored "$restored"
