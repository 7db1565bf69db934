# our_mounts: where our file lies over another one, as the kernel lists it. In: id
our_mounts() {
    while read -r _ _ _ root point _; do
        case $root in *"/$id-hosts/hosts"|*"/$id-hosts/hosts//deleted") printf '%s\n' "$point" ;; esac
    done </proc/self/mountinfo
}
# answers NAME: what the host now takes NAME for.
answers() {
    if have timeout; then set -- timeout 10 getent ahosts "$1"; else set -- getent ahosts "$1"; fi
    "$@" 2>/dev/null | sed 's/[[:space:]].*//' | sort -u
}
# all_wrong: whether every name gets nothing but our answers. In: names wrong
all_wrong() {
    for name in $names; do
        found=$(answers "$name")
        [ -n "$found" ] || { why="\`$name\` has no answer"; return 1; }
        for address in $found; do
            case " $wrong " in *" $address "*) ;; *) why="\`$name\` is still $address"; return 1 ;; esac
        done
    done
}
