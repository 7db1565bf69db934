# Finds what the named paths are, without following a link. In: recursive most, and the paths as arguments.
nl='
'
# real PATH: no part of it is a link. Files that lie together are looked at together.
parents=
real() {
    above=${1%/*}
    [ "$above" != "$parents" ] || return 0
    up=$above
    while [ -n "$up" ]; do
        [ ! -L "$up" ] || fail 65 "\`$1\` leads through the symbolic link \`$up\`; write the path that it leads to"
        up=${up%/*}
    done
    parents=$above
}
for path do
    [ ! -L "$path" ] || fail 65 "\`$path\` is a symbolic link; write what it leads to"
    [ -e "$path" ] || fail 65 "\`$path\` is not there"
    [ -f "$path" ] || [ -d "$path" ] || fail 65 "\`$path\` is neither a file nor a directory"
    real "$path"
done
names() {
    if [ "$recursive" = 1 ]; then for path do find "$path" -xdev \( -type f -o -type d \) -print0; done
    else field "$@"; fi
}
count=$(names "$@" | tr -cd '\0' | wc -c)
[ "$count" -le "$most" ] || fail 65 "$count files and directories are meant, and \`max_paths\` is $most"
# What the files are called, ended by an empty name; what they are; what time it is by the clock that they were made by; which of
# them cannot be changed. Not every `stat` knows when a file was made.
names "$@"; field ''
field "$(names "$@" | xargs -0 stat -c '%d:%i:%u:%g:%f %h %.9W')"
field "$(date +%s%N)"
if have lsattr; then
    field "$(names "$@" | xargs -0 lsattr -d 2>/dev/null | grep -E '^[-A-Za-z]*[ia][-A-Za-z]* +/' | head -n 1 | sed 's/^[^ ]* *//')"
else field ''; fi
field "$(awk -F: '($3 == 0 || $3 >= 1000) && $7 !~ /(nologin|false|sync)$/ { print $6 }' /etc/passwd)"
cat /proc/self/mountinfo
