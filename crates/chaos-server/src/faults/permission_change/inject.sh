# Changes the files, all or none: whether all are as planned is looked at before the first is touched. In: those of run.sh, count
nl='
'
path_of() {
    if [ "$1" -le "$plain_count" ]; then printf '%s' "$plain" | sed -n "$(($1 * 2))p"
    else at=$((($1 - plain_count) * 2)); shift "$at"; printf '%s' "$1"; fi
}
job=check; open=
if ! said=$(permissions_by_shell "$@"); then
    case $said in *differs=*) ;; *) fail 69 "the files cannot be looked at" ;; esac
    first=${said#*differs=}; first=${first%%"$nl"*}; number=${first%%|*}
    fail 65 "\`$(path_of "$number" "$@")\` is not as it was planned: ${first#*|}"
fi
will_act
job=apply
said=$(permissions_by_shell "$@") || fail 69 "not all of the files could be changed"
changed=0
for line in $said; do changed=$((changed + ${line#changed=})); done
[ "$changed" = "$count" ] || fail 69 "only $changed of $count files were changed"
tell paths_changed "$changed"
