# Lays a copy of the hosts file with our lines over it, and asks. In: id file names wrong
dir=/run/$id-hosts
umask 022
mkdir "$dir" || fail 65 "$dir is there already"
cp -p -- "$file" "$dir/hosts" || fail 69 "$file cannot be copied"
{ for address in $wrong; do printf '%s %s\n' "$address" "$names"; done; cat -- "$file"; } >"$dir/hosts" || fail 69 "$dir/hosts cannot be written"
# Where files have labels, programs may read a file of the same label only.
! have chcon || chcon --reference="$file" "$dir/hosts" 2>/dev/null
mount --bind "$dir/hosts" "$file" || fail 69 "nothing can be mounted over $file"
# What somebody wrote there meanwhile would be lost with our copy.
mount -o remount,bind,ro "$file" || fail 69 "$file cannot be protected"
[ "$(our_mounts)" = "$file" ] || fail 69 "our file does not lie over $file"
all_wrong || fail 69 "the host does not believe its hosts file: $why"
tell over "$file"
