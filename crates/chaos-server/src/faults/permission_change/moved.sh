# Looks for the files that are not where they were, and gives them their bits back where they are now. bash only, behind batch.sh.
#
# On one file system an inode is the file that had it, or a newer one that got the number when that was removed, which `born` tells.
# In: all, which is every KEY and PATH; those of batch.sh; mounts, each on a line

# So many seconds: the undo holds the lock meanwhile, and at boot, where everything waits for it, it has a minute for all.
SEARCH_MAX=15
# How each file is lost, by its number.
lost=()

is_lost() { lost[$1]=$2; }
search_lost() {
    local one how note is_whole=
    local -A is_back=() elsewhere=()
    [ ${#lost[@]} -gt 0 ] || return 0
    can_search && search
    note="If the file was moved, it has our mode there: find it by its inode"
    [ -z "$is_whole" ] || note="It was looked for where its file system is mounted, and not found"
    for one in "${!lost[@]}"; do
        how=${lost[one]}
        if has_our_mode "$one"; then how="$how, and our mode"
        elif [ -n "${is_back[$one]}" ] || is_settled "$one"; then continue; fi
        if [ -n "${is_back[$one]}" ]; then tell conflict "$one|it was moved and has its mode back there; $how; left as it is"
        elif [ -n "${elsewhere[$one]}" ]; then tell conflict "$one|it was moved, and ${elsewhere[$one]}; left as it is"
        else tell conflict "$one|$how; left as it is. $note"; fi
    done
}
# is_settled NUMBER: whether nothing of ours is left since it was told: the file is gone, and what has its name has a mode of its own.
is_settled() { [ -n "$open" ] && [ -n "$is_whole" ] && [ -z "${elsewhere[$1]}" ] && is_replaced "$1"; }
is_replaced() { [ "${lost[$1]}" = "another file has its name now" ]; }
# has_our_mode NUMBER: whether a new file has the name of a moved one, and our mode. Who puts it there gives it the mode of the old
# one: `logrotate` does, and editors do.
has_our_mode() {
    local is
    is_replaced "$1" && is=$(stat -c %f "${all[$1 * 2 - 1]}" 2>/dev/null) && [ "${is: -3}" = "$new" ]
}
# can_search: whether an inode says which file it is. After a reboot the number of the device may be another one, and does not
# say which of several mounts a file was on, nor which part of btrfs, each of which has numbers of its own.
can_search() {
    [ -n "$born" ] || return 1
    [ "$same_boot" = 1 ] || { [ "${mounts%"$nl"*}" = "$mounts" ] && [ "$(stat -f -c %T "$mounts")" != btrfs ]; }
}
# search: sets `is_back` for files that are found and have their bits, `elsewhere` for those that are found and cannot get them, and
# `is_whole` when nothing was left out.
search() {
    local end=$((SECONDS + SEARCH_MAX)) IFS=$nl mount one key found all_seen=1 searched=' '
    local -A number_of=() place_of=()
    # What is read from a pipe is read here, and not in a process of its own.
    shopt -s lastpipe
    for one in "${!lost[@]}"; do
        key=${all[one * 2 - 2]%:*:*:*}
        [ -n "$device" ] || key=${key#*:}
        number_of[$key]=$one
    done
    for mount in $mounts; do
        [ "$SECONDS" -lt "$end" ] || { all_seen=; break; }
        searched+="$(whole_device "$mount") "
        key=
        seen_on "$mount" $((end - SECONDS)) | mapfile -d '' -t found
        for key in "${found[@]}"; do
            # What only looks like one of ours has no number, and neither has the last word.
            one=${number_of[${key%% *}]}
            [ -z "$one" ] || place_of[$one]=${key#* }
        done
        [ "$key" = whole ] || all_seen=
    done
    # Another file system may be mounted there by now, and after a reboot nobody knows.
    [ -n "$device" ] || all_seen=
    [ -z "$device" ] || for key in "${!number_of[@]}"; do
        case $searched in *" ${key%%:*} "*) ;; *) all_seen=; break ;; esac
    done
    is_whole=$all_seen
    restore_there
}
# whole_device MOUNT: the device whose whole file system is mounted there; nothing where it is a part of one.
whole_device() {
    local IFS=' ' root where rest
    while read -r _ _ _ root where rest; do
        [ "$where" != "$1" ] || [ "$root" != / ] || { stat -c %d "$1"; return; }
    done </proc/self/mountinfo
}
# seen_on MOUNT SECONDS: every KEY PATH of the mount whose KEY is in `number_of`, and some more; then `whole` when that is all.
seen_on() {
    local key keys=() ended
    # Twenty thousand of them are fast only where they are looked for as they stand.
    for key in "${!number_of[@]}"; do keys+=(-e "$key /"); done
    timeout "$2" find "$1" -xdev '(' -type f -o -type d ')' -printf "${device:+%D:}%i %p\\0" 2>/dev/null | grep -zaF "${keys[@]}"
    ended=("${PIPESTATUS[@]}")
    # 1: none of them is there.
    if [ "${ended[0]}" = 0 ] && [ "${ended[1]}" -le 1 ]; then printf 'whole\0'; fi
}
# restore_there: gives the files of `place_of` their bits back, as batch.sh does it, unless they are newer than ours.
restore_there() {
    local IFS=$' \t\n' before=$count open= one order=()
    local -A differs_how=()
    differs() { differs_how[$1]=$2; }
    number=0; links=; bits=
    for one in "${!lost[@]}"; do
        [ -n "${place_of[$one]}" ] || continue
        order+=("$one"); key=${all[one * 2 - 2]}
        take "${place_of[$one]}"
    done
    batch
    for one in "${!order[@]}"; do
        case ${differs_how[$((one + 1))]} in
            '') is_back[${order[one]}]=1 ;;
            "its "*|*immutable*) elsewhere[${order[one]}]=${differs_how[$((one + 1))]} ;;
        esac
    done
    [ "$count" = "$before" ] || tell note "$((count - before)) of the files had been moved meanwhile; the mode of each is back where it is now"
}
