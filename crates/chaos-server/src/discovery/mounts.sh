# The mounts of a host, and how much room is on them. In: path, which may be empty: then all; otherwise where that path is.
room() { stat -f -c '%S %b %f %a %c %d' "$1" 2>/dev/null; }
field "$(cat /proc/self/mountinfo)"
memory=
while read -r key kib _; do case $key in MemTotal:|MemAvailable:) memory="$memory $kib" ;; Buffers:) break ;; esac; done </proc/meminfo
field "$memory"
if [ -n "$path" ]; then
    [ -e "$path" ] || fail 65 "it is not there"
    [ -d "$path" ] || fail 65 "it is not a directory"
    cd -P "$path" || fail 65 "it cannot be resolved"
    real=$PWD
    # Some shells keep two slashes in front.
    while :; do case $real in //*) real=${real#/} ;; *) break ;; esac; done
    writable=; [ ! -w . ] || writable=1
    field "$real" "$(stat -c %d:%i .)" "$(room .)" "$writable"
    exit 0
fi
# Spaces and line breaks are octal there; `printf %b` wants a zero before them. A server that is gone would hold us, so
# file systems over a network are not asked.
sed 's/\\\([0-7][0-7][0-7]\)/\\0\1/g' /proc/self/mountinfo | while read -r _ _ _ _ point rest; do
    type=${rest#* - }; type=${type%% *}
    case $type in
        nfs*|cifs|smb*|9p|ceph|glusterfs|fuse*|afs|lustre|beegfs|gpfs|autofs|ocfs2|gfs2|vboxsf|virtiofs) field "" ;;
        *) point=$(printf '%b/' "$point"); field "$(room "${point%/}/.")" ;;
    esac
done
exit 0
