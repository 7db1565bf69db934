# Tells how much is taken. In: those of common.sh, dir
taken || ended
tell taken "$blocks"
tell size "$size"
tell available_now "$(available)"
is_full || fail 75 "$blocks of $bytes bytes are taken"
