# Asks each engine for a container. In: name, engines. Out: found ENGINE ID, or else ENGINE WORDS.
for engine in $engines; do
    have "$engine" || continue
    # An engine that hangs must not hide the others.
    limit=''
    have timeout && limit='timeout 10'
    if said=$($limit "$engine" inspect --type container --format '{{.Id}}' -- "$name" 2>&1); then
        # A warning may stand before the id.
        field found "$engine" "$(printf '%s\n' "$said" | tail -n 1)"
    else
        field else "$engine" "$(printf '%s' "$said" | tail -n 1 | cut -c1-200)"
    fi
done
exit 0
