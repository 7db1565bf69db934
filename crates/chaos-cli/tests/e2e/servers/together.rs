//! What does not go together on one machine is refused before anything happens.

use super::Bed;
use crate::world::{Chaos, Experiment};

const START: &str = "podman import /usr/lib/world/busybox.tar localhost/world/busybox:1 >/dev/null 2>&1
    podman run -d --name shop-db-1 --network none localhost/world/busybox:1 sleep 999999 </dev/null >/dev/null";
const END: &str = "podman rm -f -t 0 shop-db-1 >/dev/null 2>&1; true";

/// An experiment with the faults `skills` on the host `machine` and on a container of it, `box`.
fn on_host_and_container(bed: &Bed, skills: &str) -> Experiment {
    let known_hosts = super::hosts::inventory().unwrap().known_hosts;
    let host = format!(
        "host: {}, username: root, ssh_config: none, known_hosts: {}, auth: {{type: key, private_key_path: {}}}",
        bed.address(),
        known_hosts.display(),
        bed.key().display()
    );
    Experiment::from_text(&format!(
        "experiments:\n- name: both\n  targets:\n    machine: {{target: server, target_config: {{hosts: [{{{host}}}]}}}}\n    \
         box: {{target: server, target_config: {{hosts: [{{{host}, container: shop-db-1}}]}}}}\n  duration: 1s\n  \
         skills:\n{skills}"
    ))
}

#[test]
fn a_reboot_of_a_host_does_not_go_with_a_fault_in_a_container_of_it() {
    let Some(bed) = Bed::take(&["any"]) else { return };
    bed.sh(0, START);
    let pause = "  - {skill_name: server.container_pause, on: box}\n";
    let reboot = "  - {skill_name: server.reboot, on: machine}\n";
    let stop = "  - {skill_name: server.service_stop, on: machine, params: {services: [nginx]}}\n";
    let chaos = Chaos::new();
    let both = |second: &str| {
        let experiment = on_host_and_container(&bed, &format!("{pause}{second}"));
        chaos.call(&["run", "--dry-run", experiment.file()])
    };
    let (refused, fine) = (both(reboot), both(stop));
    bed.sh(0, END);
    refused.assert_code(3);
    assert!(refused.text().contains("would wait for each other at `host`"), "{}", refused.text());
    fine.assert_code(0);
}
