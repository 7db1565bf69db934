//! Several hosts in one run: all of them, each its own, some of them, and those that nobody may touch.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::Bed;
use super::hosts::inventory;
use crate::world::binary::{Ended, Running, write_file};
use crate::world::{Chaos, Experiment, wait_until};

/// How long faults are held: long enough to look at each host meanwhile.
const HOLD: &str = "3s";
/// A web server that is there answers at once.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// So many seeds choose each of two hosts at least once, but for one time in a million.
const SEEDS: u64 = 20;
/// What every host of these tests runs.
const STOP_NGINX: &str = "{skill_name: server.service_stop, params: {services: [nginx]}}";

/// Returns the address of a host, `10.77.0.5`.
fn address(name: &str) -> String {
    inventory().unwrap().host(name).unwrap().address.to_string()
}

/// Returns `target_config:` for these hosts, with more keys.
fn config(names: &[&str], more: &str) -> String {
    let inventory = inventory().unwrap();
    let key = inventory.keys.ed25519.display();
    let hosts: Vec<_> = names.iter().map(|name| format!("{{host: {}}}", address(name))).collect();
    format!(
        "{{hosts: [{}], deadline_margin: 2m, defaults: {{username: root, ssh_config: none, known_hosts: {}, \
         auth: {{type: key, private_key_path: {key}}}}}{more}}}",
        hosts.join(", "),
        inventory.known_hosts.display(),
    )
}

/// Returns one entry of `experiments:`.
fn entry(name: &str, config: &str, skill: &str) -> String {
    format!(
        "- {{name: {name}, target: server, target_config: {config}, duration: {HOLD}, skills: [{skill}]}}\n"
    )
}

fn file(entries: &str) -> Experiment {
    Experiment::from_text(&format!("experiments:\n{entries}"))
}

/// An experiment that stops the web servers of these hosts.
fn stop_nginx(names: &[&str], more: &str) -> Experiment {
    file(&entry("several", &config(names, more), STOP_NGINX))
}

/// Returns whether the web server of a host answers, as its users see it.
fn serves(name: &str) -> bool {
    let address: SocketAddr = format!("{}:80", address(name)).parse().unwrap();
    TcpStream::connect_timeout(&address, ANSWER_MAX).is_ok()
}

fn serve(names: [&str; 2]) -> [bool; 2] {
    names.map(serves)
}

/// Waits until so many holds have begun.
fn wait_for_hold(running: &Running<'_>, nth: usize) {
    running.wait_for_records("hold_started", nth);
}

fn assert_nothing_was_done(chaos: &Chaos) {
    assert_eq!(chaos.state.count_records("intended"), 0, "{}", chaos.state.journals());
    chaos.assert_clean();
}

/// Returns the targets of the first experiment of a plan or a report, as people name them.
fn labels(said: &Value) -> Vec<String> {
    let targets = said["experiments"][0]["targets"].as_array().unwrap();
    let label = |target: &Value| target.get("label").or(target.pointer("/identity/label")).cloned();
    targets.iter().map(|target| label(target).unwrap().as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_fault_on_two_hosts_is_seen_on_both_and_taken_back_on_both() {
    let Some(bed) = Bed::take(&["th4", "th5"]) else { return };
    let both = ["th4", "th5"];
    assert_eq!(serve(both), [true, true]);
    let chaos = Chaos::new();
    let running = chaos.spawn(&stop_nginx(&both, ""));
    wait_for_hold(&running, 1);
    assert_eq!(serve(both), [false, false]);
    let ended = running.wait();
    ended.assert_code(0);
    assert_eq!(ended.steps().len(), 2, "{}", ended.text());
    assert_eq!(serve(both), [true, true]);
    bed.assert_same("nowhere");
    chaos.assert_clean();
}

#[test]
fn two_experiments_in_one_file_touch_each_its_own_host_one_after_the_other() {
    let Some(bed) = Bed::take(&["th4", "th5"]) else { return };
    let both = ["th4", "th5"];
    let chaos = Chaos::new();
    let first = entry("first", &config(&["th4"], ""), STOP_NGINX);
    let second = entry("second", &config(&["th5"], ""), STOP_NGINX);
    let running = chaos.spawn(&file(&format!("{first}{second}")));
    wait_for_hold(&running, 1);
    assert_eq!(serve(both), [false, true]);
    wait_for_hold(&running, 2);
    assert_eq!(serve(both), [true, false]);
    running.wait().assert_code(0);
    bed.assert_same("nowhere");
    chaos.assert_clean();
}

#[test]
fn a_host_that_does_not_answer_keeps_everything_from_beginning() {
    let Some((here, gone)) = here_and_gone() else { return };
    let chaos = Chaos::new();
    gone.cut();
    let ended = chaos.run(&stop_nginx(&["th4", "th5"], ""));
    gone.join();
    ended.assert_code(2);
    assert!(ended.stderr.contains(&address("th5")), "{}", ended.text());
    assert!(ended.stderr.contains("1 of 2 failed"), "{}", ended.text());
    assert_nothing_was_done(&chaos);
    here.assert_same("nowhere");
    gone.assert_same("nowhere");
}

#[test]
fn a_host_that_may_be_missing_is_left_out_and_named() {
    let Some((here, gone)) = here_and_gone() else { return };
    let chaos = Chaos::new();
    gone.cut();
    let experiment = stop_nginx(&["th4", "th5"], ", allow_unreachable: true");
    let plan = chaos.call(&["run", "--dry-run", experiment.file()]);
    let running = chaos.spawn(&experiment);
    wait_for_hold(&running, 1);
    let is_stopped = !serves("th4");
    let ended = running.wait();
    gone.join();
    assert!(is_stopped, "{}", ended.text());
    ended.assert_code(0);
    let skipped = &ended.json()["experiments"][0]["skipped"];
    assert_eq!(skipped.as_array().map(Vec::len), Some(1), "{}", ended.text());
    assert!(skipped[0].as_str().unwrap().contains(&address("th5")), "{skipped}");
    assert_eq!(ended.steps().len(), 1, "{}", ended.text());
    for said in [plan, in_words(&chaos, &ended)] {
        let line = said.assert_code(0).stdout.lines().find(|line| line.contains("Skipped")).unwrap_or("");
        assert!(line.contains(&address("th5")), "{}", said.text());
    }
    chaos.assert_clean();
    here.assert_same("nowhere");
    gone.assert_same("nowhere");
}

/// Takes two hosts, each by itself, so that the second one can be cut off alone.
fn here_and_gone() -> Option<(Bed, Bed)> {
    Some((Bed::take(&["th4"])?, Bed::take(&["th5"])?))
}

/// Returns the report of a run for people.
fn in_words(chaos: &Chaos, ended: &Ended) -> Ended {
    chaos.call(&["report", ended.json()["run_id"].as_str().unwrap(), "--format", "text"])
}

#[test]
fn a_part_of_the_hosts_is_chosen_by_the_seed_and_stands_in_the_plan() {
    let Some(bed) = Bed::take(&["th4", "th5"]) else { return };
    let chaos = Chaos::new();
    let experiment = stop_nginx(&["th4", "th5"], ", hosts_affected: 1");
    let with = |seed: u64, output: &str| {
        chaos.call(&["run", "--dry-run", experiment.file(), "--seed", &seed.to_string(), "--output", output])
    };
    let chosen = |seed: u64| {
        let labels = labels(&with(seed, "json").assert_code(0).json());
        assert_eq!(labels.len(), 1, "{labels:?}");
        labels[0].clone()
    };
    let first = chosen(1);
    assert_eq!(chosen(1), first);
    let other = (2..SEEDS).find(|seed| chosen(*seed) != first).expect("a seed that chooses the other host");
    let expected = chosen(other);
    let text = with(other, "text").assert_code(0).stdout.clone();
    assert!(text.contains(&format!("1 of 2 hosts, chosen with seed {other}")), "{text}");
    assert!(text.contains(&expected), "{text}");

    let running = chaos.spawn_with(&experiment, &["--seed", &other.to_string()], &[]);
    wait_for_hold(&running, 1);
    assert_eq!(serve(["th4", "th5"]), ["th4", "th5"].map(|name| !expected.contains(&address(name))));
    let ended = running.wait();
    ended.assert_code(0);
    assert_eq!(labels(&ended.json()), [expected]);
    bed.assert_same("nowhere");
    chaos.assert_clean();
}

/// Runs under a policy of this text.
fn under_policy(chaos: &Chaos, policy: &str, experiment: &Experiment, flags: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let path = write_file(folder.path(), "policy.yaml", policy);
    let arguments = ["run", experiment.file(), "--policy", path.to_str().unwrap(), "--output", "json"];
    chaos.call(&[&arguments, flags].concat())
}

#[test]
fn a_policy_keeps_runs_away_from_hosts_by_number_name_and_network() {
    let Some(bed) = Bed::take(&["th4", "th5"]) else { return };
    let chaos = Chaos::new();
    let experiment = stop_nginx(&["th4", "th5"], "");
    let address = address("th5");
    for (policy, rule, reason) in [
        ("max_hosts: 1".to_owned(), "max_hosts", "2 hosts"),
        (format!("protected: ['host:{address}']"), "protected", &*address),
        // By another name than the one in the file.
        ("protected: ['host:th5*']".to_owned(), "protected", "th5"),
        (format!("protected: ['cidr:{address}/32']"), "protected", &*address),
        ("protected: ['service:nginx*']".to_owned(), "protected", "nginx.service"),
    ] {
        for flags in [[].as_slice(), &["--dry-run"]] {
            let ended = under_policy(&chaos, &policy, &experiment, flags);
            ended.assert_code(3);
            assert!(ended.text().contains(&format!("\"rule\": \"{rule}\"")), "{policy}: {}", ended.text());
            assert!(ended.text().contains(reason), "{policy}: {}", ended.text());
        }
    }
    assert_nothing_was_done(&chaos);
    bed.assert_same("nowhere");
    under_policy(&chaos, "max_hosts: 2", &experiment, &[]).assert_code(0);
    bed.assert_same("nowhere");
}

#[test]
fn a_deadline_that_a_reboot_would_lose_is_told_and_can_be_refused() {
    let Some(bed) = Bed::take(&["th3"]) else { return };
    bed.sh(0, "rm -f /srv/many; umask 022; echo kept >/srv/many");
    let chaos = Chaos::new();
    let lasting = "{skill_name: server.permission_change, params: {paths: [/srv/many], mode: '000'}}";
    let experiment = file(&entry("busybox", &config(&["th3"], ""), lasting));
    let refused = under_policy(&chaos, "require_rope: over_reboot", &experiment, &[]);
    refused.assert_code(3);
    assert!(refused.text().contains("\"rule\": \"require_rope\""), "{}", refused.text());
    assert!(refused.text().contains("a deadline on its target that a reboot would take away"));
    assert_nothing_was_done(&chaos);

    let words = "a reboot of the target would lose the deadline";
    let plan = chaos.call(&["run", "--dry-run", experiment.file()]);
    assert!(plan.assert_code(0).stdout.contains(words), "{}", plan.text());
    let ended = chaos.run(&experiment);
    ended.assert_code(0);
    assert_eq!(ended.steps()[0]["rope"], serde_json::json!({"on_target": {"survives_reboot": false}}));
    for format in ["text", "md", "html"] {
        let run = ended.json()["run_id"].as_str().unwrap().to_owned();
        let report = chaos.call(&["report", &run, "--format", format]);
        assert!(report.assert_code(0).stdout.contains(words), "{format}: {}", report.text());
    }
    // What bounds the undo looks once a second whether that has ended.
    wait_until("nobody bounds the undo any more", || {
        bed.sh(0, "ps -o args | grep '[u]ndo.sh' || true").is_empty()
    });
    bed.sh(0, "[ \"$(stat -c %a /srv/many)\" = 644 ] && rm /srv/many");
    bed.assert_same("nowhere");
    chaos.assert_clean();
}
