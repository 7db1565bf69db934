# clashing AGAINST: prints of each rope on this host that is not ours and not undone its directory, and the first of its claims that
# is a line of AGAINST; its first claim of all without any.
clashing() {
    for other in /run/chaos_*/claims /var/lib/chaos_*/claims; do
        [ -s "$other" ] && [ "$other" != "$rope_dir/claims" ] && [ ! -e "${other%/claims}/done" ] || continue
        if [ -n "$1" ]; then both=$(printf '%s\n' "$1" | grep -Fxf - "$other" | head -n 1)
        else both=$(head -n 1 "$other"); fi
        [ -z "$both" ] || printf '%s\n' "${other%/claims} ${both#? }"
    done
}
