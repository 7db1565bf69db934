//! The example that people start from, with only host, user and key changed.

use super::Bed;
use crate::world::{Chaos, Experiment};

/// An example as a user changes it: the host, the user, the key; and what this world needs, a smaller file and a short hold.
fn changed(bed: &Bed, text: &str, user: &str, hold: &str) -> Experiment {
    let known_hosts = super::hosts::inventory().unwrap().known_hosts;
    let text = text
        .replace("\"10.0.1.50\"", &format!("10.77.0.6\n          known_hosts: {}", known_hosts.display()))
        .replace("\"chaos-agent\"", user)
        .replace("\"~/.ssh/id_ed25519\"", bed.key().to_str().unwrap())
        .replace("\"5GB\"", "\"1GB\"")
        .replace("\"10m\"", hold);
    Experiment::from_text(&text)
}

/// The shipped example, and the same file as it was before hosts could be told to use `sudo`.
fn examples() -> [(String, &'static str); 2] {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/server.yaml");
    let shipped = std::fs::read_to_string(path).unwrap();
    let old = shipped.replace("          become: sudo\n", "");
    [(shipped, "chaos"), (old, "root")]
}

#[test]
fn the_example_runs_and_obeys_filters_and_excludes() {
    let Some(bed) = Bed::take(&["th5"]) else { return };
    for (text, user) in examples() {
        let chaos = Chaos::new();
        let experiment = changed(&bed, &text, user, "6s");
        let running = chaos.spawn(&experiment);
        running.wait_for_records("hold_started", 1);
        let stopped = "for u in $(systemctl list-units --all --plain --no-legend --type=service | cut -d' ' -f1); do \
             [ -e /run/systemd/system/$u.d ] && echo $u; done; true";
        let stopped = bed.sh(0, stopped);
        assert!(!stopped.trim().is_empty(), "no service was stopped");
        for unit in stopped.lines() {
            assert!(
                unit.starts_with("nginx") || unit.starts_with("postgres"),
                "{unit} is outside of the filters"
            );
            assert_ne!(bed.sh(0, &format!("systemctl is-active {unit} || true")).trim(), "active");
        }
        let used = bed.sh(0, "df -Pk /tmp | awk 'NR == 2 {print $3}'");
        assert!(used.trim().parse::<u64>().unwrap() >= 1_000_000_000 / 1024, "{used} KiB of /tmp are used");
        running.wait().assert_code(0);
        chaos.assert_clean();
        bed.assert_same("nowhere");
    }
}

#[test]
fn an_excluded_service_is_never_stopped_even_where_a_filter_allows_it() {
    let Some(bed) = Bed::take(&["th5"]) else { return };
    let (text, user) = examples()[0].clone();
    let text = text.replace("[\"docker\", \"containerd\"]", "[\"nginx\", \"postgres*\"]");
    let chaos = Chaos::new();
    let ended = chaos.run(&changed(&bed, &text, user, "1s"));
    ended.assert_code(2);
    let error = &ended.json()["error"];
    assert_eq!(error["causes"], serde_json::json!(["find a running service that may be stopped"]), "{error}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("`exclude_services`"), "{hint}");
    assert_eq!(bed.sh(0, "systemctl is-active nginx"), "active\n");
    bed.assert_same("nowhere");
    chaos.assert_clean();
}

#[test]
fn an_excluded_service_that_is_asked_for_by_name_is_refused_by_name() {
    let Some(bed) = Bed::take(&["th5"]) else { return };
    let (text, user) = examples()[0].clone();
    let text = text
        .replace("[\"docker\", \"containerd\"]", "[\"nginx\"]")
        .replace("max_services: 2", "services: [\"nginx\"]");
    let chaos = Chaos::new();
    let ended = chaos.run(&changed(&bed, &text, user, "1s"));
    ended.assert_code(2);
    let error = &ended.json()["error"];
    let cause = "stop `nginx.service`: it is excluded by `nginx` of `exclude_services`";
    assert_eq!(error["causes"], serde_json::json!([cause]), "{error}");
    bed.assert_same("nowhere");
    chaos.assert_clean();
}
