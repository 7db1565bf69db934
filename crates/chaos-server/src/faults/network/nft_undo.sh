# Deletes our table, and nothing else. In: table
# A container's network is gone when nothing runs in it; then nothing is left.
find_network || { tell restored 0; exit 0; }
is_there() {
    tables=$(ns nft list tables) || exit 1
    printf '%s\n' "$tables" | grep -qxF "table inet $table"
}
if is_there; then
    others=$(ns nft -a list table inet "$table" 2>/dev/null | grep '# handle ' | grep -v "comment \"$table\"" |
        grep -cv -e '^table ' -e '^[[:space:]]*\(chain\|set\|map\|counter\) ')
    # Both in one transaction: it does not fail when somebody was quicker.
    printf 'table inet %s {}\ndelete table inet %s\n' "$table" "$table" | ns nft -f - || exit 1
    is_there && exit 1
    [ "${others:-0}" = 0 ] || tell note "$others rules that somebody had put into our table $table are gone with it"
    tell restored 1
else
    tell restored 0
fi
