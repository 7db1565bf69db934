# Names the ropes of others that clash with the lines of `against`. Reads only.
rope_dir=
clashing "$against" | while IFS= read -r other; do tell other "$other"; done
