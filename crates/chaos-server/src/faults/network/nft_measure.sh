# Counts what our rules kept from coming through. In: table
find_network || fail 69 "the container is not there any more, or was restarted"
rules=$(ns nft list table inet "$table" 2>/dev/null) || fail 69 "the table $table is not there any more: somebody removed it, or the deadline came"
packets=0
for number in $(printf '%s\n' "$rules" | sed -n "s/.*counter packets \([0-9]*\) .*comment \"$table\".*/\1/p"); do packets=$((packets + number)); done
tell packets_cut "$packets"
