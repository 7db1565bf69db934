# Tells how much is taken. In: those of common.sh, dir
taken || ended
tell taken "$blocks"
tell size "$size"
set -- $(stat -f -c '%a %S' "$dir" 2>/dev/null)
[ $# != 2 ] || tell available_now "$(($1 * $2))"
is_full || fail 75 "$blocks of $bytes bytes are taken"
