# Where a load would write. In: path. Out: the path without links, the kind of file system, blocks that are free and their size.
[ -d "$path" ] || fail 65 "it is no directory"
cd -P -- "$path" && [ -w . ] || fail 69 "it cannot be written to"
field "$(pwd -P; printf .)" "$(stat -f -c %T .)" "$(stat -f -c '%a %S' .)"
