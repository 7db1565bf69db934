# Loads a table of ours, all or nothing, and reads it back. In: table rules count
find_planned_network || fail 69 "the container is not there any more, or was restarted since the plan"
why=$(printf '%s' "$rules" | ns nft -f - 2>&1) || fail 69 "nft refuses the rules: $(printf '%s' "$why" | tr '\n' ' ')"
found=$(ns nft list table inet "$table" | grep -c "comment \"$table\"")
[ "$found" = "$count" ] || fail 69 "the table $table has $found rules of ours, not $count"
tell table "inet $table"
tell rules "$found"
