# Counts the files that still are as we made them. In: those of run.sh, count
job=look; still=0; open=
for line in $(permissions_by_shell "$@"); do still=$((still + ${line#still_changed=})); done
[ "$still" -gt 0 ] || fail 69 "none of the $count files is as it was made any more"
tell paths_still_changed "$still"
