//! Changing rows: what tools of this kind get wrong, each shown to be right here.

use crate::world::experiment::skill;
use crate::world::{Chaos, Experiment, Shop, assert_same, server_url};

/// Changes `rows` of `table` in a shop with `extra` tables and checks that they were changed and are as before.
fn check_update(extra: &str, table: &str, rows: i64) {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 100);
    shop.session.execute(extra);
    let chaos = Chaos::new();
    let before = shop.checksum();
    shop.session.execute(&format!("CREATE SCHEMA kept; CREATE TABLE kept.rows AS SELECT * FROM {table}"));
    let skills =
        skill("db.update_load", &format!("{{rows: {rows}, tables: ['{}']}}", table.replace('"', "")));

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "1s", &skills));
    let changed = running.reaches_its_hold().then(|| {
        shop.session.number(&format!(
            "SELECT count(*) FROM (SELECT t::text FROM {table} t EXCEPT ALL SELECT k::text FROM kept.rows k) d"
        ))
    });
    let ended = running.wait();

    ended.assert_code(0);
    assert_eq!(changed, Some(rows), "{}", ended.text());
    shop.session.execute("DROP SCHEMA kept CASCADE");
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn null_stays_null_and_an_apostrophe_survives() {
    let extra = "CREATE TABLE words (id int PRIMARY KEY, word text);
                 INSERT INTO words VALUES (1, NULL), (2, ''), (3, 'O''Brien'), (4, E'back\\\\slash'), (5, E'tab\\tline\\n'),
                                          (6, '\"quoted\"'), (7, 'ünïcode 漢字'), (8, '\\N');";
    check_update(extra, "words", 8);
}

#[test]
fn a_stored_value_that_is_an_sql_fragment_is_only_a_value() {
    let extra = "CREATE TABLE notes (id int PRIMARY KEY, note text, balance int NOT NULL DEFAULT 0);
                 INSERT INTO notes VALUES (1, ''', balance = 666, note = '''), (2, ''' WHERE true --'),
                                          (3, '$$; DROP TABLE notes; --');
                 INSERT INTO notes SELECT g, 'plain ' || g FROM generate_series(4, 200) g;";
    check_update(extra, "notes", 200);
}

#[test]
fn a_composite_key_is_restored_row_by_row() {
    let extra = "CREATE TABLE items (tenant int, n int, label text NOT NULL, PRIMARY KEY (tenant, n));
                 INSERT INTO items SELECT g % 4, g, 'real ' || g FROM generate_series(1, 200) g;";
    check_update(extra, "items", 150);
}

#[test]
fn columns_of_many_types_come_back_exactly() {
    let extra = "CREATE TABLE wide (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), status order_status, tags text[], doc json, docb jsonb, price numeric,
        flag boolean, raw bytea, at timestamptz, ratio float8, addr inet, span int4range,
        total numeric GENERATED ALWAYS AS (price * 2) STORED);
        INSERT INTO wide (status, tags, doc, docb, price, flag, raw, at, ratio, addr, span)
        SELECT 'paid', ARRAY['a', NULL, 'c'], '{\"b\": 1,   \"a\": 2}', '{\"b\": 1}', 1.0, NULL, '\\x00ff', now(), 0.1,
               '10.0.0.1', '[1,5)' FROM generate_series(1, 60);";
    check_update(extra, "wide", 60);
}

#[test]
fn mixed_case_and_reserved_names_are_quoted() {
    let extra = r#"CREATE TABLE "Order" ("Id" int PRIMARY KEY, "select" text NOT NULL);
                   INSERT INTO "Order" SELECT g, 'x' || g FROM generate_series(1, 20) g;"#;
    check_update(extra, "\"Order\"", 20);
}

#[test]
fn the_rows_are_chosen_at_random_and_not_from_the_top() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 1000);
    let chaos = Chaos::new();
    let skills = skill("db.update_load", "{rows: 20, tables: [users]}");
    let old = shop.session.rows("SELECT u::text FROM users u ORDER BY id");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "1s", &skills));
    running.wait_for_records("hold_started", 1);
    let new = shop.session.rows("SELECT u::text FROM users u ORDER BY id");
    running.wait().assert_code(0);

    let changed: Vec<usize> = (0..1000).filter(|place| old[*place] != new[*place]).collect();
    assert_eq!(changed.len(), 20);
    // The chance that 20 random rows of 1,000 all lie in the first half is one in a million.
    assert!(changed.iter().any(|place| *place >= 500), "{changed:?}");
}

#[test]
fn a_table_without_a_key_is_refused_by_name() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 5);
    shop.session.execute("CREATE TABLE bare (a int, b text); INSERT INTO bare VALUES (1, 'x')");
    let chaos = Chaos::new();
    let skills = skill("db.update_load", "{rows: 1, tables: [bare]}");
    let ended = chaos.run(&Experiment::on_postgres(&shop.url(), "300ms", &skills));
    ended.assert_code(2);
    assert!(ended.stderr.contains("bare"), "{}", ended.text());
    chaos.assert_clean();
}
