# permissions FIRST LAST (KEY PATH)…: does `job` to every file: check, apply, look or restore.
#
# A file is opened first, then looked at and changed through what was opened, so that a name that was swapped for another
# file, or for a link, changes nothing. FIRST to LAST are the descriptors that may be used at once: that many files cost
# one `chmod` and two `stat`. KEY is DEVICE:INODE:UID:GID:MODE as planned; MODE is what `stat` calls raw: a digit for the
# type and three for the bits. Files with the same bits stand together. Files are told by their number, from 1. In: job
# new same_boot; born, which is when the newest of all files was made, in nanoseconds since 1970, or nothing; open, which is the
# numbers of those that an undo before had to leave, each between spaces, or nothing for all
permissions() {
    fd_first=$1; fd_last=$2; number=0; shift 2
    fd=$fd_first; links=; planned=; ours=; key=; bits=; device=%d:
    count=0; bad=0; stays=0; away=0
    nl='
'
    # The numbers of devices may be others after a reboot.
    [ "$same_boot" = 1 ] || device=
    for value do
        if [ -z "$key" ]; then key=$value; continue; fi
        take "$value"; key=
    done
    batch
    case $job in
        check) [ "$stays$bad" = 00 ] ;;
        apply) tell changed "$count"; [ "$stays$bad" = 00 ] ;;
        look) tell still_changed "$count"; tell away "$away" ;;
        restore) search_lost; tell restored "$count"; [ "$stays" = 0 ] ;;
    esac
}
# take PATH: opens one file. What is neither file nor directory is not opened: a pipe would wait, a device might act.
take() {
    number=$((number + 1))
    # What is done is done: who changes it after that does not change what we made.
    case $open in ''|*" $number "*) ;; *) batch; first=$((number + 1)); return ;; esac
    if [ "$fd" -gt "$fd_last" ] || [ "${key##*:?}" != "$bits" ]; then batch; bits=${key##*:?}; first=$number; fi
    if [ -L "$1" ]; then differs "$number" "it is a symbolic link now"; batch; first=$((number + 1)); return; fi
    # Only a number of ours gets into the text that is evaluated.
    if { [ -f "$1" ] || [ -d "$1" ]; } && eval "command exec $fd<\"\$1\"" 2>/dev/null; then
        [ -n "$device" ] || key=${key#*:}
        remember "/proc/self/fd/$fd" "$key" "${key%???}$new"; fd=$((fd + 1))
    elif [ "$job" = restore ] && { [ -f "$1" ] || [ -d "$1" ]; }; then
        # Out of memory or descriptors, or a disk that fails: that may pass.
        printf '%s\n' "a file that is there cannot be opened" >&2
        stays=$((stays + 1)); batch; first=$((number + 1))
    else
        differs "$number" "it is not there any more"; batch; first=$((number + 1))
    fi
}
# remember LINK WAS OURS: adds an open file to the batch. Where there is bash it adds in its own, faster way: run.sh.
remember() { links="$links $1"; planned=$planned$nl$2; ours=$ours$nl$3; }
# differs NUMBER HOW: somebody else changed it. Where we undo it is left alone; before that it is a reason to stop.
differs() {
    case $job in
        restore)
            case $2 in
                "its "*|*immutable*) tell conflict "$1|$2; left as it is" ;;
                *) is_lost "$1" "$2" ;;
            esac ;;
        look) case $2 in "its "*) ;; *) away=$((away + 1)) ;; esac ;;
        *) bad=$((bad + 1)); [ "$bad" -gt 5 ] || tell differs "$1|$2" ;;
    esac
}
# is_lost NUMBER HOW: a file is not where it was. Whoever moved it took our bits with it. Where there is bash it is looked for: moved.sh.
is_lost() { tell conflict "$1|$2; left as it is. If the file was moved, it has our mode there: find it by its inode"; }
search_lost() { :; }
# look_at LINK…: what the open files are, in the form of KEY.
look_at() { stat -L -c "$device%i:%u:%g:%f" "$@"; }
# newer_apart LINK…: a file that was removed leaves its inode to the next one, often under the same name. What was made after all
# of ours is not ours, whatever else is the same: changes what `found` says of it.
newer_apart() {
    births=$(stat -L -c %.9W "$@") || { stays=$((stays + 1)); found=; return; }
    # A `stat` that cannot say it leaves files to be told by their numbers.
    case $births in *[!0-9."$nl"]*) return ;; esac
    newer=
    for birth in $births; do
        [ "${birth%.*}${birth#*.}" -le "$born" ] || newer=1
    done
    [ -n "$newer" ] || return 0
    lines=
    for is in $found; do
        birth=${births%%"$nl"*}; births=${births#*"$nl"}
        [ "${birth%.*}${birth#*.}" -le "$born" ] || is=newer:${is#*:}
        lines=$lines$nl$is
    done
    found=$lines
}
# batch: looks at the open files, acts, looks again. Most often all of them are as they should be, and nothing is done one by one.
batch() {
    [ -n "$links" ] || return 0
    todo=$links; goal=
    # Of which file a line is, nobody knows where one is missing.
    found=$nl$(look_at $links) || { stays=$((stays + 1)); fd=$fd_first; links=; planned=; ours=; return; }
    [ -z "$born" ] || newer_apart $links
    case $job in
        check|apply) [ "$found" = "$planned" ] || sort_out $planned; goal=${goal:-$ours} ;;
        *) [ "$found" = "$ours" ] || sort_out $planned; goal=${goal:-$planned} ;;
    esac
    set -- $todo
    [ $# = 0 ] || act $#
    fd=$fd_first; links=; planned=; ours=
}
# act HOW-MANY: changes the files of `todo`, and sees that they are what `goal` says.
act() {
    case $job in
        check) return ;;
        look) count=$((count + $1)); return ;;
        apply) octal=$(printf '%05o' "0x$new") ;;
        # Five digits: with fewer a directory keeps a set-group-id bit that it should lose.
        restore) octal=$(printf '%05o' "0x$bits") ;;
    esac
    said=$(chmod "$octal" $todo 2>&1)
    if [ "$nl$(look_at $todo)" = "$goal" ]; then count=$((count + $1)); return; fi
    if [ "$job" = restore ]; then one_by_one $goal; else printf '%s\n' "$said" >&2; stays=$((stays + 1)); fi
}
# one_by_one GOAL…: looks at each file of `todo`, of which some did not come back. What somebody has forbidden to change is told, or
# the undo would try for ever; anything else is tried again.
one_by_one() {
    for link in $todo; do
        if [ "$(look_at "$link")" = "$1" ]; then count=$((count + 1))
        # Files of a batch follow each other.
        elif is_fixed "$link"; then differs $((first + ${link##*/} - fd_first)) "it is immutable or append-only now"
        else printf '%s\n' "$said" >&2; stays=$((stays + 1)); fi
        shift
    done
}
# is_fixed LINK: whether nobody can change the file until its flags are taken away. The tool follows no link, so it is asked by the
# name that the file has now.
is_fixed() {
    at=$(readlink "$1" && echo .) && at=${at%??} || return 1
    [ "$(stat -L -c %d:%i "$1")" = "$(stat -c %d:%i "$at" 2>/dev/null)" ] || return 1
    flags=$(lsattr -d "$at" 2>/dev/null) || return 1
    case ${flags%% *} in *[ia]*) return 0 ;; *) return 1 ;; esac
}
# sort_out PLANNED…: finds among the open files those that have to be acted on: `todo`, and what they shall be: `goal`.
sort_out() {
    todo=; goal=$nl; at=$fd_first; one=$first; goals=
    for is in $found; do
        was=$1; our=${1%???}$new; shift
        case $job:$is in
            "apply:$was") todo="$todo /proc/self/fd/$at"; goals=$goals$nl$our ;;
            "look:$our"|"restore:$our") todo="$todo /proc/self/fd/$at"; goals=$goals$nl$was ;;
            "check:$was"|"check:$our"|"restore:$was"|"apply:$our") ;;
            *) differs "$one" "$(how "$is" "$was")" ;;
        esac
        at=$((at + 1)); one=$((one + 1))
    done
    goal=${goals:-$nl}
}
# how FOUND PLANNED: what somebody else changed, in words.
how() {
    mode=$(printf '%04o' "0x${1##*:?}"); rest_is=${1%:*}; rest_was=${2%:*}
    if [ "${rest_is%:*:*}" != "${rest_was%:*:*}" ]; then printf 'another file has its name now'
    elif [ "$rest_is" != "$rest_was" ]; then printf 'its owner is %s now' "${rest_is#"${rest_is%:*:*}":}"
    else printf 'its mode is %s now' "$mode"; fi
}
