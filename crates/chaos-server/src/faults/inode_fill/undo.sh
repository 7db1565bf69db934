# Removes our files and our directory, and nothing that somebody else put there. Needs neither space nor inodes.
# In: dir identity name boot
! never_acted || { tell restored 0; exit 0; }
cd "$dir" 2>/dev/null || { tell note "$name: its directory is not there any more"; exit 0; }
is=$(stat -c %d:%i .); want=$identity
# The numbers of devices may be others after a reboot; a file system in memory is another one.
[ "$booted" = "$boot" ] || { is=${is#*:}; want=${want#*:}; }
[ -e "./$name" ] || [ -L "./$name" ] || {
    [ "$is" = "$want" ] || [ "$(stat -f -c %T .)" = tmpfs ] || tell conflict "dir|it is another directory now, and ours is not in it"
    exit 0
}
if [ -L "./$name" ] || [ ! -d "./$name" ]; then tell conflict "name|it is not a directory any more; left as it is"; exit 0; fi
# Not every `find` can delete by itself. From inside, where no part of a path can be swapped.
(cd "./$name" && find . -xdev -mindepth 1 -maxdepth 1 -type f -name 'i[0-9]*' -size 0 -exec rm -f {} +)
if rmdir "./$name"; then tell restored 1; exit 0; fi
# What is left is of others, or could not be removed; the one is a conflict, the other is tried again.
left=$(find "./$name" -xdev -mindepth 1 -maxdepth 1 -type f -name 'i[0-9]*' -size 0 | wc -l)
[ "$left" = 0 ] || { echo "$left files in $dir/$name cannot be removed" >&2; exit 1; }
tell restored 1
tell conflict "name|somebody else put something into it; that is left as it is"
