# clashing AGAINST: prints of each rope on this host that is not ours (`rope_dir`) and not undone its directory, how many things it
# claims, and the first of them that is a line of AGAINST; without any the first of all.
clashing() {
    for other in /run/chaos_*/claims /var/lib/chaos_*/claims; do
        [ -s "$other" ] && [ "$other" != "$rope_dir/claims" ] && [ ! -e "${other%/claims}/done" ] || continue
        # Who else may write there may have written anything: zero bytes, or a line without an end.
        if [ -n "$1" ]; then both=$(printf '%s\n' "$1" | grep -aFxf - "$other" | head -n 1)
        else both=$(head -c 4096 "$other" | tr -d '\000' | head -n 1); fi
        [ -z "$both" ] || printf '%s\n' "${other%/claims} $(($(wc -l <"$other"))) ${both#? }"
    done
}
