# permissions_by_shell (KEY PATH)…: runs a job over all files, with bash where it is there: it can hold hundreds of files
# open at once, other shells six. In: count job new same_boot born open; engine, which is what bash runs, and for it plain, odd,
# plain_count, mounts; plain is KEY and PATH of most files, each on a line, and odd those of files whose names hold a line break,
# with \1b for it and \1a for \1; the arguments are these as they are.
permissions_by_shell() {
    done_well=0
    if bash -c 'mapfile -t all' </dev/null 2>/dev/null; then
        printf '%s\n' "$plain" "$odd" end | BASH_ENV='' total=$count job=$job new=$new same_boot=$same_boot born=$born open=$open plain_count=$plain_count \
            mounts=$mounts bash -c "$engine" || done_well=1
        return "$done_well"
    fi
    if [ -n "$plain" ]; then
        IFS='
'
        # Names are split from each other at line breaks, and at nothing else.
        set -f; set -- $plain "$@"; set +f
        IFS=' 	
'
    fi
    [ $# = 0 ] || permissions 3 8 "$@" || done_well=1
    return "$done_well"
}
