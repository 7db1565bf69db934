# Looks whether the answers are still wrong. In: id file names wrong
[ -n "$(our_mounts)" ] || fail 69 "our file does not lie over $file any more: somebody took it off, or the deadline came"
all_wrong || fail 69 "$why"
set -- $names
tell names_wrong "$#"
