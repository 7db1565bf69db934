//! Targets of different kinds in one experiment: one rollback over all of them.

use serde_json::Value;

use super::Bed;
use crate::world::binary::Ended;
use crate::world::{Chaos, Experiment, Shop, assert_same, server_url};

/// The file that the third fault would change.
const FILE: &str = "/data/of-the-third-fault";

/// A database and two hosts. The third fault acts on a file that is gone by then.
fn mixed(bed: &Bed, shop: &Shop, parallel: bool) -> Experiment {
    Experiment::from_text(&format!(
        "experiments:
  - name: mixed
    targets:
      shop:
        target: database
        target_config: {{connection_url: '{}', db_type: postgres}}
      web:
        target: server
        target_config: {}
    duration: 1s
    parallel: {parallel}
    skills:
      - skill_name: db.insert_load
        on: shop
        params: {{rows_per_table: 60000, tables: [users]}}
      - skill_name: server.disk_fill
        on: web
        params: {{size: 150MB, target_mount: /data, keep_free: 10MB}}
      - skill_name: server.permission_change
        on: web
        params: {{paths: [{FILE}]}}
",
        shop.url(),
        bed.config()
    ))
}

/// The step of the third fault on the second host has failed, and nothing else; what came before it had been done.
fn assert_failed_at_the_third_fault(ended: &Ended, chaos: &Chaos, parallel: bool) {
    let steps = ended.steps();
    let of = |fault: &str, host: &str| {
        let is_it = |step: &&Value| {
            step["fault"] == fault && step["target_name"].as_str().is_some_and(|name| name.ends_with(host))
        };
        steps.iter().find(is_it).unwrap_or_else(|| panic!("no {fault} on {host}: {}", ended.text()))
    };
    let gone = format!("`{FILE}` is not as it was planned: it is not there any more");
    let failed = of("server.permission_change", "10.77.0.6");
    assert!(failed["error"].as_str().unwrap().contains(&gone), "{failed}");
    let reason = ended.json()["experiments"][0]["stop_reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("a fault failed") && reason.ends_with(&gone), "{reason}");
    // Side by side, the others may be stopped before they have begun.
    let is_undone = |step: &Value| step["state"] == "reverted" && step["verified"] == true;
    let is_fine = |step: &Value| is_undone(step) || (parallel && step["state"] == "planned");
    assert!(steps.iter().all(is_fine), "{}", ended.text());
    let journals = chaos.state.journals();
    let was_injected =
        |step: &Value| journals.contains(&format!("\"type\":\"injected\",\"step\":{},", step["id"]));
    assert!(!was_injected(failed), "the third fault was injected: {journals}");
    let earlier = [
        of("db.insert_load", "shop"),
        of("server.disk_fill", "10.77.0.5"),
        of("server.disk_fill", "10.77.0.6"),
    ];
    for step in earlier.into_iter().filter(|_| !parallel) {
        assert!(was_injected(step), "{step} was not injected: {journals}");
        assert_eq!((&step["error"], &step["outcome"]), (&Value::Null, &"restored".into()), "{step}");
    }
}

#[test]
fn a_database_and_two_hosts_with_a_failing_third_fault_are_all_as_before() {
    let Some(url) = server_url() else { return };
    let Some(bed) = Bed::take(&["th4", "th5"]) else { return };
    let shop = Shop::create(&url, 200);
    let before = shop.checksum();
    for parallel in [false, true] {
        for host in [0, 1] {
            bed.sh(host, &format!(": >{FILE}"));
        }
        let chaos = Chaos::new();
        let experiment = mixed(&bed, &shop, parallel);
        let running = chaos.spawn(&experiment);
        running.wait_for_records("planned", 1);
        // On the second host only: the same fault works on the first one, and must be taken back there.
        bed.sh(1, &format!("rm {FILE}"));
        let ended = running.wait();
        ended.assert_code(4);
        assert_failed_at_the_third_fault(&ended, &chaos, parallel);
        chaos.assert_clean();
        assert_eq!(bed.sh(0, &format!("stat -c %a {FILE} && rm {FILE}")).trim(), "644");
        bed.assert_same("nowhere");
        assert_same(&shop.checksum(), &before, "after a fault has failed");
        shop.assert_no_residue();
    }
}
