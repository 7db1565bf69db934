//! What somebody else changed during the hold is theirs.

use crate::world::experiment::skill;
use crate::world::{Chaos, Experiment, Shop, assert_same, server_url};

#[test]
fn a_row_changed_by_someone_else_is_not_overwritten() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 300);
    let chaos = Chaos::new();
    let skills = skill("db.update_load", "{rows: 300, tables: [users]}");
    let before = shop.session.rows("SELECT u::text FROM users u WHERE id <> 7 ORDER BY id");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "2s", &skills));
    running.wait_for_records("hold_started", 1);
    shop.session.execute("UPDATE users SET name = 'theirs' WHERE id = 7");
    let ended = running.wait();

    ended.assert_code(5);
    let step = &ended.steps()[0];
    assert_eq!(step["state"], "conflict", "{step}");
    assert_eq!(step["conflicts"].as_array().map(Vec::len), Some(1), "{step}");
    assert!(step["conflicts"][0].to_string().contains('7'), "{step}");
    assert_eq!(shop.session.value("SELECT name FROM users WHERE id = 7"), "theirs");
    assert_eq!(shop.session.rows("SELECT u::text FROM users u WHERE id <> 7 ORDER BY id"), before);
    assert_acknowledged(&chaos, &shop);
    assert_eq!(shop.session.value("SELECT name FROM users WHERE id = 7"), "theirs");
}

#[test]
fn an_inserted_row_that_someone_else_changed_is_not_deleted() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 100);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.insert_load", "{rows_per_table: 50, tables: [users]}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "2s", &skills));
    running.wait_for_records("hold_started", 1);
    assert_eq!(shop.count("users"), 150);
    shop.session.execute("UPDATE users SET name = 'theirs' WHERE id = (SELECT max(id) FROM users)");
    let ended = running.wait();

    ended.assert_code(5);
    assert_eq!(ended.steps()[0]["state"], "conflict", "{}", ended.text());
    assert_eq!(shop.count("users"), 101, "all others are gone");
    assert_acknowledged(&chaos, &shop);
    shop.session.execute("DELETE FROM users WHERE name = 'theirs'");
    assert_same(&shop.checksum(), &before, "afterwards");
}

#[test]
fn a_parent_that_someone_else_refers_to_is_not_deleted() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 100);
    let chaos = Chaos::new();
    let skills = skill("db.insert_load", "{rows_per_table: 50, tables: [users]}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "2s", &skills));
    running.wait_for_records("hold_started", 1);
    shop.session.execute("INSERT INTO orders (user_id, total) SELECT max(id), 1 FROM users");
    let ended = running.wait();

    ended.assert_code(5);
    assert_eq!(shop.count("users"), 101, "all others are gone: {}", ended.text());
    assert_eq!(shop.count("orders"), 101, "the order of somebody else is still there");
    assert_acknowledged(&chaos, &shop);
}

/// Status says what is open until a person accepts it; then nothing of ours is left.
fn assert_acknowledged(chaos: &Chaos, shop: &Shop) {
    let status = chaos.call(&["status", "--output", "json"]);
    status.assert_code(5);
    assert_eq!(status.json()["clean"], false);
    assert_eq!(status.json()["runs"][0]["open_steps"].as_array().map(Vec::len), Some(1), "{}", status.text());
    chaos.call(&["recover", "--all"]).assert_code(5);

    chaos.call(&["recover", "--all", "--accept-conflicts"]).assert_code(0);
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_helper_schema_that_someone_dropped_is_never_called_undone() {
    let Some(url) = server_url() else { return };
    for skills in [
        skill("db.update_load", "{rows: 100, tables: [users]}"),
        skill("db.insert_load", "{rows_per_table: 50, tables: [users]}"),
    ] {
        let shop = Shop::create(&url, 100);
        let chaos = Chaos::new();
        let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "1s", &skills));
        running.wait_for_records("hold_started", 1);
        let schema = shop.session.value("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'chaos\\_%'");
        shop.session.execute(&format!("DROP SCHEMA {schema} CASCADE"));
        let ended = running.wait();

        ended.assert_code(5);
        let step = &ended.steps()[0];
        assert_eq!(step["state"], "conflict", "{step}");
        assert!(step["conflicts"][0].to_string().contains(&schema), "{step}");
        assert_acknowledged(&chaos, &shop);
    }
}
