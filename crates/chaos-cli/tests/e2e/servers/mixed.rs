//! Targets of different kinds in one experiment: one rollback over all of them.

use super::Bed;
use crate::world::sqlite::SqliteShop;
use crate::world::{Chaos, Experiment, assert_same};

/// The file that the third fault would change.
const FILE: &str = "/data/of-the-third-fault";

/// A database and two hosts. The third fault acts on a file that is gone by then.
fn mixed(bed: &Bed, shop: &SqliteShop, parallel: bool) -> Experiment {
    Experiment::from_text(&format!(
        "experiments:
  - name: mixed
    targets:
      shop:
        target: database
        target_config: {{connection_url: 'sqlite://{}', db_type: sqlite}}
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
        shop.path().display(),
        bed.config()
    ))
}

#[test]
fn a_database_and_two_hosts_with_a_failing_third_fault_are_all_as_before() {
    let Some(bed) = Bed::take(&["th4", "th5"]) else { return };
    let shop = SqliteShop::create(200);
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
        running.wait().assert_code(4);
        chaos.assert_clean();
        assert_eq!(bed.sh(0, &format!("stat -c %a {FILE} && rm {FILE}")).trim(), "644");
        bed.assert_same("nowhere");
        assert_same(&shop.checksum(), &before, "after a fault has failed");
    }
}
