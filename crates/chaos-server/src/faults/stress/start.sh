# Starts a load in a unit of its own. In: id seconds, and as "$@" further properties and what is run.
# Whatever becomes of us, the unit ends at its time, and its processes with it. When memory runs out, the kernel takes ours first.
# It stays known to systemd after a failure, so that the end of the hold can tell what became of it; the undo forgets it.
said=$(systemd-run -q --unit="$id-load.service" --description="Load of $id" -p Type=exec -p RuntimeMaxSec="$seconds" \
    -p KillMode=control-group -p KillSignal=SIGKILL -p TimeoutStopSec=20 -p OOMScoreAdjust=1000 -p Restart=no \
    -p StandardInput=null -p StandardOutput=null -p StandardError=journal "$@" 2>&1) \
    || fail 69 "the unit of the load does not start: $said"
