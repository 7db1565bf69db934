//! What cannot be undone, or not be done, is refused before anything is touched.

use crate::world::experiment::{postgres_entry, skill};
use crate::world::{Chaos, Experiment, OwnServer, Shop, assert_same, server_url};

fn insert() -> String {
    skill("db.insert_load", "{rows_per_table: 5, tables: [users]}")
}

fn update() -> String {
    skill("db.update_load", "{rows: 5, tables: [users]}")
}

#[test]
fn a_role_that_may_only_read_is_told_which_right_is_missing() {
    let Some(server) = OwnServer::start() else { return };
    let shop = Shop::create(&server.url(), 20);
    shop.session.execute(
        "CREATE ROLE reader LOGIN PASSWORD 'chaos'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    );
    let chaos = Chaos::new();
    let before = shop.checksum();
    let url = shop.url().replace("chaos:chaos@", "reader:chaos@");
    let config = skill("db.config_change", "{changes: [{param: work_mem, value: 9MB}]}");
    for skills in [insert(), update(), config, skill("db.table_lock", "{tables: [users]}")] {
        let ended = chaos.run(&Experiment::on_postgres(&url, "200ms", &skills));
        ended.assert_code(2);
        assert!(ended.stderr.contains("reader"), "the error does not name the role: {}", ended.text());
    }
    assert_same(&shop.checksum(), &before, "afterwards");
    chaos.assert_clean();
}

#[test]
fn a_database_that_is_read_only_is_refused() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 20);
    let chaos = Chaos::new();
    let name = shop.session.value("SELECT current_database()");
    shop.session.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    for skills in [insert(), update()] {
        let ended = chaos.run(&Experiment::on_postgres(&shop.url(), "200ms", &skills));
        ended.assert_code(2);
        assert!(ended.stderr.contains("read-only") || ended.stderr.contains("read_only"), "{}", ended.text());
    }
    assert_eq!((shop.count("users"), shop.count("orders")), (20, 20));
    chaos.assert_clean();
}

#[test]
fn a_table_dropped_between_plan_and_inject_fails_and_everything_is_undone() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 50);
    shop.session.execute("CREATE TABLE doomed (id int PRIMARY KEY, label text)");
    let chaos = Chaos::new();
    let doomed = skill("db.insert_load", "{rows_per_table: 5, tables: [doomed]}");
    let text = format!(
        "experiments:\n{}{}",
        postgres_entry("first", &shop.url(), "1s", &update()),
        postgres_entry("second", &shop.url(), "200ms", &doomed)
    );

    let running = chaos.spawn(&Experiment::from_text(&text));
    running.wait_for_records("hold_started", 1);
    shop.session.execute("DROP TABLE doomed");
    let after_drop =
        crate::world::Session::open(&shop.url()).rows("SELECT u::text FROM users u WHERE id > 1000");
    let ended = running.wait();

    ended.assert_code(4);
    assert!(ended.text().contains("doomed"), "{}", ended.text());
    assert_eq!(after_drop, Vec::<String>::new());
    assert_eq!(shop.count("users"), 50);
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_view_a_foreign_key_cascade_and_row_security_are_refused_by_name() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 20);
    shop.session.execute(
        "CREATE VIEW some_view AS SELECT * FROM users;
         CREATE TABLE guarded (id int PRIMARY KEY, label text); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY, label text);",
    );
    let chaos = Chaos::new();
    let before = shop.checksum();
    for table in ["some_view", "fleeting", "no_such_table"] {
        for fault in ["db.insert_load", "db.update_load"] {
            let skills = skill(fault, &format!("{{tables: [{table}]}}"));
            let ended = chaos.run(&Experiment::on_postgres(&shop.url(), "200ms", &skills));
            ended.assert_code(2);
            assert!(ended.stderr.contains(table), "{fault} on {table}: {}", ended.text());
        }
    }
    assert_same(&shop.checksum(), &before, "afterwards");
    chaos.assert_clean();
}

#[test]
fn a_database_that_looks_like_production_is_refused_until_the_policy_allows_it() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 20);
    shop.session
        .execute("CREATE SCHEMA production; CREATE TABLE production.users (id int PRIMARY KEY, label text)");
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.insert_load", "{rows_per_table: 5, tables: [production.users]}");
    let experiment = Experiment::on_postgres(&shop.url(), "200ms", &skills);

    let ended = chaos.run(&experiment);
    ended.assert_code(3);
    assert!(ended.stderr.contains("production"), "{}", ended.text());

    let policy = Experiment::from_text("production:\n  allow: [production]\n");
    let ended = chaos.call(&["run", experiment.file(), "--policy", policy.file()]);
    ended.assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    chaos.assert_clean();
}

#[test]
fn more_rows_than_the_policy_allows_are_refused_with_the_place_to_change_it() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 20);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let policy = Experiment::from_text("max_rows: 4\n");
    let experiment = Experiment::on_postgres(&shop.url(), "200ms", &insert());

    let ended = chaos.call(&["run", experiment.file(), "--policy", policy.file()]);

    ended.assert_code(3);
    for word in ["max_rows", "4", "5", policy.file()] {
        assert!(ended.stderr.contains(word), "no {word}: {}", ended.text());
    }
    assert_same(&shop.checksum(), &before, "afterwards");
    chaos.assert_clean();
}
