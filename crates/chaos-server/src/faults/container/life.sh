# How an inject makes sure of its container. In: engine container since
# same_life: fails unless it runs and was not started anew since we looked.
same_life() {
    now=$(status) && life=$(started) || fail 69 "$engine does not answer, or knows no such container any more"
    [ "$now" = running ] || fail 65 "the container does not run any more"
    [ "$life" = "$since" ] || fail 65 "the container was started anew meanwhile"
}
