# Stops a container. In: engine container since grace
same_life
will_act
said=$(bounded "$((grace + 20))" "$engine" stop -t "$grace" "$container" 2>&1) || fail 69 "$engine does not stop it: $said"
case $(status) in
    exited|stopped) tell containers_stopped 1 ;;
    *) fail 65 "$engine says that it stopped it, and it is $(status)" ;;
esac
