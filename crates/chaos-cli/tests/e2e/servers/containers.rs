//! Hosts with a container on them.

use super::Set;

/// Removes what a test made, and what one that failed has left.
macro_rules! clean_up {
    () => {
        "systemctl disable -q docker.service containerd.service 2>/dev/null
        podman rm -f -t 0 -a >/dev/null 2>&1
        if systemctl is-active -q docker; then docker ps -aq | xargs -r docker rm -f >/dev/null; fi
        systemctl stop docker.service docker.socket containerd.service; systemctl reset-failed
        "
    };
}

/// Starts a container that ends when it is asked to, always with the same processes.
macro_rules! start {
    ($engine:literal, $options:literal) => {
        concat!(
            $engine,
            " import /usr/lib/world/busybox.tar localhost/world/busybox:1 >/dev/null 2>&1
            ",
            $engine,
            " run -d --name shop-db-1 --network none ",
            $options,
            " localhost/world/busybox:1 sh -c 'trap \"exit 0\" TERM; sleep 999999 & wait' </dev/null >/dev/null
            "
        )
    };
}

/// Prints how the container is, and what the kernel holds for its network.
macro_rules! look {
    ($engine:literal) => {
        concat!(
            $engine,
            " container inspect -f '{{.State.Status}} {{.State.Paused}} {{.HostConfig.RestartPolicy.Name}}' shop-db-1
            pid=$(",
            $engine,
            " container inspect -f '{{.State.Pid}}' shop-db-1)
            nsenter -t $pid -n sh -c 'nft -s list ruleset; tc qdisc show; ip -o addr'"
        )
    };
}

/// One under Podman, which nothing but a person or an undo starts again.
pub const PODMAN: Set = Set {
    set_up: concat!(clean_up!(), start!("podman", "--restart=no")),
    clean_up: clean_up!(),
    after_reboot: "podman start shop-db-1 >/dev/null",
    look: look!("podman"),
    container: Some(("podman", "shop-db-1")),
    ..Set::NONE
};

/// One under Docker, which Docker starts again at a boot unless somebody had stopped it.
pub const DOCKER: Set = Set {
    set_up: concat!(
        clean_up!(),
        "systemctl enable -q docker.service containerd.service
        systemctl start docker
        ",
        start!("docker", "--restart=unless-stopped")
    ),
    clean_up: clean_up!(),
    after_reboot: "",
    look: look!("docker"),
    container: Some(("docker", "shop-db-1")),
    ..Set::NONE
};
