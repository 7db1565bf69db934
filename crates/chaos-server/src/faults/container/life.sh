# How an inject makes sure of its container. In: engine container since
# same_life: fails unless it runs and was not started anew since we looked.
same_life() {
    [ "$(status)" = running ] || fail 65 "the container does not run any more"
    [ "$(started)" = "$since" ] || fail 65 "the container was started anew meanwhile"
}
