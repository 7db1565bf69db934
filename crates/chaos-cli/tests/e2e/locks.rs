//! Locks are there during the hold, never queue in front of the application, and end without us.

use nix::sys::signal::Signal;

use crate::world::experiment::skill;
use crate::world::{Chaos, Experiment, Proxy, Shop, assert_same, server_url, wait_until};

fn table_locks(shop: &Shop) -> i64 {
    shop.session.number(
        "SELECT count(*) FROM pg_locks WHERE relation = 'users'::regclass AND mode = 'AccessExclusiveLock' AND granted",
    )
}

#[test]
fn a_table_lock_keeps_the_application_out_for_the_hold_and_no_longer() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 50);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.table_lock", "{tables: [users]}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "2s", &skills));
    running.wait_for_records("hold_started", 1);
    assert_eq!(table_locks(&shop), 1);
    let refused =
        shop.session.try_execute("SET lock_timeout = '100ms'; SELECT count(*) FROM users").unwrap_err();
    assert!(refused.contains("lock timeout"), "{refused}");

    running.wait().assert_code(0);
    assert_eq!(table_locks(&shop), 0);
    shop.session.execute("RESET lock_timeout");
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_row_lock_holds_as_many_rows_as_asked_for() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 200);
    let chaos = Chaos::new();
    let skills = skill("db.row_lock", "{tables: [users], rows_per_table: 30}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "2s", &skills));
    running.wait_for_records("hold_started", 1);
    let free = shop.session.rows("SELECT id FROM users FOR UPDATE SKIP LOCKED").len();
    assert_eq!(free, 170);

    running.wait().assert_code(0);
    assert_eq!(shop.session.rows("SELECT id FROM users FOR UPDATE SKIP LOCKED").len(), 200);
    chaos.assert_clean();
}

#[test]
fn a_table_that_is_in_use_is_not_queued_for() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 50);
    let reader = crate::world::Session::open(&shop.url());
    reader.execute("BEGIN; SELECT count(*) FROM users");
    let chaos = Chaos::new();
    let skills = skill("db.table_lock", "{tables: [users]}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "1s", &skills));
    running.wait_for_records("intended", 1);
    // Another reader would have to wait behind a queued lock.
    for _ in 0..20 {
        shop.session.execute("SET lock_timeout = '500ms'; SELECT count(*) FROM users");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    reader.execute("COMMIT");
    let ended = running.wait();
    assert!(matches!(ended.code, Some(0 | 4)), "{}", ended.text());
    assert_eq!(table_locks(&shop), 0);
    chaos.assert_clean();
}

#[test]
fn the_server_ends_a_lock_whose_owner_is_frozen_behind_a_silent_network() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 50);
    let chaos = Chaos::new();
    let proxy = Proxy::to(shop.address());
    let skills = skill("db.table_lock", "{tables: [users]}");

    let experiment = Experiment::on_postgres(&shop.url_through(proxy.port()), "2s", &skills);
    let running = chaos.spawn_with(&experiment, &["--no-guardian"], &[]);
    running.wait_for_records("hold_started", 1);
    assert_eq!(table_locks(&shop), 1);
    proxy.silence();
    running.signal(Signal::SIGSTOP);

    wait_until("the server has ended the lock", || table_locks(&shop) == 0);
    running.signal(Signal::SIGKILL);
    running.wait();
    proxy.cut();
    proxy.heal();
    chaos.call(&["recover", "--all"]).assert_code(0);
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_lock_on_a_table_that_the_same_plan_writes_is_refused_with_the_reason() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 50);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.table_lock", "{tables: [users]}")
        + &skill("db.insert_load", "{rows_per_table: 5, tables: [users]}");

    let ended = chaos.run(&Experiment::on_postgres(&shop.url(), "1s", &skills));

    ended.assert_code(3);
    assert!(ended.stderr.contains("users"), "{}", ended.text());
    assert_same(&shop.checksum(), &before, "afterwards");
    chaos.assert_clean();
}
