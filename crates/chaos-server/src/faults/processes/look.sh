# look PID: reads state and start of a process into state, start; state is empty when there is none.
look() {
    state=; start=
    line=$(tr '\n' ' ' 2>/dev/null <"/proc/$1/stat") 2>/dev/null || return 0
    line=${line##*') '}
    state=${line%% *}
    start=$(printf '%s' "$line" | cut -d' ' -f20)
}
