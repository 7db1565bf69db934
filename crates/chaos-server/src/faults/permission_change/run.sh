# permissions_by_shell (KEY PATH)…: runs a job over all files, with bash where it is there: it can hold hundreds of files
# open at once, other shells six. In: job new same_boot open; engine, which is batch.sh and for an undo moved.sh, and born mounts for
# that; plain, which is KEY and PATH of most files, each on a line; the arguments are those whose names hold a line break, and
# they come last.
permissions_by_shell() {
    done_well=0; before=0
    if [ -n "$plain" ] && bash -c 'mapfile -t all' </dev/null 2>/dev/null; then
        printf '%s\n' "$plain" | BASH_ENV='' job=$job new=$new same_boot=$same_boot open=$open born=$born mounts=$mounts bash -c "$engine"'
            tell() { printf "%s=%s\n" "$1" "$2"; }
            mapfile -t all; permissions 100 299 0 "${all[@]}"' || done_well=1
        before=$plain_count
    elif [ -n "$plain" ]; then
        IFS='
'
        # Names are split from each other at line breaks, and at nothing else.
        set -f; set -- $plain "$@"; set +f
        IFS=' 	
'
    fi
    [ $# = 0 ] || permissions 3 8 "$before" "$@" || done_well=1
    return "$done_well"
}
