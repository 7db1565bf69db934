//! A server that goes away and does not come back in time. The rollback tries for two minutes before it leaves the rest to
//! `chaos recover`; this file sorts first, so that the other tests run meanwhile.

use crate::world::experiment::skill;
use crate::world::{Chaos, Experiment, OwnServer, Shop, assert_same};

#[test]
fn a_server_that_stays_away_leaves_a_run_that_can_be_recovered() {
    let Some(server) = OwnServer::start() else { return };
    let mut shop = Shop::create(&server.url(), 300);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.insert_load", "{rows_per_table: 200, tables: [users]}")
        + &skill("db.update_load", "{rows: 100, tables: [orders]}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "1s", &skills));
    running.wait_for_records("hold_started", 1);
    server.stop();
    let ended = running.wait();

    ended.assert_code(5);
    assert!(ended.stderr.contains("chaos recover"), "{}", ended.text());
    chaos.call(&["status"]).assert_code(5);
    server.boot();
    chaos.call(&["recover", "--all"]).assert_code(0);
    shop.reconnect();
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}
