//! Signals end a run early, and it is undone all the same.

use nix::sys::signal::Signal;

use crate::world::experiment::skill;
use crate::world::{Chaos, Experiment, Shop, assert_same, server_url};

fn check_signal(signal: Signal, code: i32) {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 300);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.insert_load", "{rows_per_table: 300, tables: [users]}")
        + &skill("db.update_load", "{rows: 100, tables: [orders]}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "5m", &skills));
    running.wait_for_records("hold_started", 1);
    running.signal(signal);
    let ended = running.wait();

    ended.assert_code(code);
    assert!(ended.steps().iter().all(|step| step["state"] == "reverted"), "{}", ended.text());
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn ctrl_c_in_the_hold_rolls_back() {
    check_signal(Signal::SIGINT, 130);
}

#[test]
fn sigterm_in_the_hold_rolls_back() {
    check_signal(Signal::SIGTERM, 143);
}

#[test]
fn a_closed_terminal_in_the_hold_rolls_back() {
    check_signal(Signal::SIGHUP, 143);
}

#[test]
fn ctrl_c_in_the_middle_of_an_insert_rolls_back() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 300);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.insert_load", "{rows_per_table: 1000000, tables: [users]}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "5m", &skills));
    running.wait_for_records("armed", 1);
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal(Signal::SIGINT);

    running.wait().assert_code(130);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_second_signal_leaves_the_journal_and_says_how_to_recover() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 300);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.update_load", "{rows: 300, tables: [users]}");

    let running =
        chaos.spawn_with(&Experiment::on_postgres(&shop.url(), "5m", &skills), &["--no-guardian"], &[]);
    running.wait_for_records("hold_started", 1);
    // A lock of somebody else makes the rollback wait, so that the second signal comes in its middle.
    shop.session.execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE");
    running.signal(Signal::SIGINT);
    running.wait_for_records("rollback_started", 1);
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal(Signal::SIGINT);
    let ended = running.wait();
    shop.session.execute("ROLLBACK");

    ended.assert_code(5);
    assert!(ended.stderr.contains("chaos recover"), "{}", ended.text());
    chaos.call(&["status"]).assert_code(5);
    chaos.call(&["recover", "--all"]).assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}
