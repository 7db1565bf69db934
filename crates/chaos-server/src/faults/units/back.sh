# Starts units again that were active. A unit is started without what it needs or wants: all that we stopped is started by us,
# in order, and what was not active before must not become so.

# unit_state UNIT: reads what it is now into load, active, sub, file.
unit_state() {
    load=; active=; sub=; file=
    for word in $(systemctl show -p LoadState,ActiveState,SubState,UnitFileState -- "$1"); do
        case $word in
            LoadState=*) load=${word#*=} ;;
            ActiveState=*) active=${word#*=} ;;
            SubState=*) sub=${word#*=} ;;
            UnitFileState=*) file=${word#*=} ;;
        esac
    done
}
# is_as_before UNIT SUB: a service must be in the very state, for sockets and the like active is enough.
is_as_before() {
    case $1 in
        *.service) [ "$active" = active ] && [ "$sub" = "$2" ] ;;
        *) [ "$active" = active ] ;;
    esac
}
# is_taken_away FILE_STATE: whether somebody else took the unit away meanwhile; says how in `taken`.
is_taken_away() {
    taken=
    [ "$load" = loaded ] || taken="it is $load now"
    case $1:$file in
        enabled:disabled) taken="disabled meanwhile by somebody else" ;;
        *:masked|*:masked-runtime) taken="masked meanwhile by somebody else" ;;
    esac
    [ -n "$taken" ]
}
# bring_back UNIT SUB FILE_STATE: fails when it is not active within the time.
bring_back() {
    unit_state "$1"
    is_as_before "$1" "$2" && return 0
    if [ "$active" != activating ]; then
        if is_taken_away "$3"; then tell conflict "$1|$taken, left stopped"; return 0; fi
        # It may have been started too often by others, or have ended with an error when it was stopped.
        systemctl reset-failed -- "$1" 2>/dev/null
        systemctl start --no-block --job-mode=ignore-dependencies -- "$1" || return 1
    fi
    until unit_state "$1"; is_as_before "$1" "$2"; do
        [ "$active" != failed ] || { printf '%s does not start again: it fails\n' "$1" >&2; return 1; }
        now=$(uptime_s); [ "$now" -lt "$end" ] || { printf '%s does not start again: it is %s\n' "$1" "$active" >&2; return 1; }
        sleep 0.1
    done
    started=$((started + 1)); again="$again $1 $2"
}
uptime_s() { read -r up _ </proc/uptime; printf '%s' "${up%%.*}"; }
# bring_all_back UNIT SUB FILE_STATE…: all of them, in this order; fails when one is not active. Counts in `started`.
bring_all_back() {
    started=0; again=; end=$(($(uptime_s) + 45))
    while [ "$#" -gt 0 ]; do
        bring_back "$1" "$2" "$3" || return 1
        shift 3
    done
    [ -n "$again" ] || return 0
    # A service that only started may end at once.
    sleep 0.3
    set -- $again
    while [ "$#" -gt 0 ]; do
        unit_state "$1"
        is_as_before "$1" "$2" || { printf '%s does not stay up\n' "$1" >&2; return 1; }
        shift 2
    done
}
