# Counts the files that still are as we made them, by their names. What is not there may have been moved, and is not looked for as
# long as the fault lasts. In: those of run.sh, count
job=look; open=; still=0; gone=0
said=$(permissions_by_shell "$@") || fail 69 "the files cannot be looked at"
for line in $said; do
    case $line in
        still_changed=*) still=$((still + ${line#*=})) ;;
        away=*) gone=$((gone + ${line#*=})) ;;
    esac
done
[ "$((still + gone))" -gt 0 ] || fail 69 "none of the $count files is as it was made any more"
tell paths_still_changed "$still"
[ "$gone" = 0 ] || tell paths_moved_or_gone "$gone"
