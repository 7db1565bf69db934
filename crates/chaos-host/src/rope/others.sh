# Names the ropes that clash with a step which has none yet. Reads only. In: against, nothing for all that claim something
rope_dir=
clashing "$against" | while IFS= read -r other; do tell other "$other"; done
