//! Inserting rows: what tools of this kind get wrong, each shown to be right here.

use serde_json::Value;

use crate::world::experiment::skill;
use crate::world::{Chaos, Experiment, Shop, assert_same, server_url};

/// Inserts `rows` into `table` of a shop with `extra` tables, looks at the count during the hold, and checks that everything
/// is as before. Returns the step of the report.
fn check_insert(extra: &str, table: &str, rows: i64) -> Option<Value> {
    let shop = Shop::create(&server_url()?, 50);
    shop.session.execute(extra);
    let chaos = Chaos::new();
    let (before, count_before) = (shop.checksum(), shop.count(table));
    let skills = skill(
        "db.insert_load",
        &format!("{{rows_per_table: {rows}, tables: ['{}']}}", table.replace('"', "")),
    );

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "1s", &skills));
    let during = running.reaches_its_hold().then(|| shop.count(table));
    let ended = running.wait();

    ended.assert_code(0);
    assert_eq!(during, Some(count_before + rows), "{}", ended.text());
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
    let steps = ended.steps();
    assert_eq!(steps.len(), 1, "{}", ended.text());
    steps.into_iter().next()
}

#[test]
fn a_composite_key_does_not_delete_the_rows_of_the_whole_tenant() {
    let extra = "CREATE TABLE items (tenant int, n int, label text NOT NULL, PRIMARY KEY (tenant, n));
                 INSERT INTO items SELECT 1, g, 'real' FROM generate_series(1, 500) g;";
    check_insert(extra, "items", 10);
}

#[test]
fn a_uuid_key_leaks_no_row() {
    let extra = "CREATE TABLE tokens (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), label text NOT NULL);
                 INSERT INTO tokens (label) SELECT 'real' FROM generate_series(1, 20);";
    check_insert(extra, "tokens", 25);
}

#[test]
fn a_text_key_leaks_no_row() {
    let extra = "CREATE TABLE codes (code varchar(12) PRIMARY KEY, label text);
                 INSERT INTO codes SELECT 'c' || g, NULL FROM generate_series(1, 20) g;";
    check_insert(extra, "codes", 25);
}

#[test]
fn a_key_without_a_default_is_filled() {
    check_insert(
        "CREATE TABLE plain (id int PRIMARY KEY, label text); INSERT INTO plain VALUES (5, 'real');",
        "plain",
        25,
    );
}

#[test]
fn enums_arrays_uuids_addresses_json_and_generated_columns_are_filled() {
    let extra = "CREATE TABLE wide (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status order_status NOT NULL, tags text[] NOT NULL, numbers int[],
        token uuid NOT NULL, addr inet NOT NULL, doc json NOT NULL, docb jsonb NOT NULL, price numeric(6,2) NOT NULL,
        flag boolean NOT NULL, raw bytea NOT NULL, at timestamptz NOT NULL, small smallint NOT NULL, ratio float8 NOT NULL,
        doubled numeric GENERATED ALWAYS AS (price * 2) STORED);";
    check_insert(extra, "wide", 40);
}

#[test]
fn short_and_unique_columns_are_respected() {
    let extra = "CREATE TABLE short (id int PRIMARY KEY, c char(2) NOT NULL, v varchar(3) NOT NULL,
                                     u varchar(8) NOT NULL UNIQUE);";
    check_insert(extra, "short", 200);
}

#[test]
fn foreign_keys_point_at_rows_that_exist() {
    check_insert("", "orders", 100);
}

#[test]
fn mixed_case_and_reserved_names_are_quoted() {
    let extra = r#"CREATE TABLE "Order" ("Id" int PRIMARY KEY, "select" text NOT NULL, "a""b" text);"#;
    check_insert(extra, "\"Order\"", 20);
}

#[test]
fn a_table_without_a_key_is_restored_exactly() {
    let extra =
        "CREATE TABLE bare (a int, b text); INSERT INTO bare SELECT 1, 'same' FROM generate_series(1, 30);";
    check_insert(extra, "bare", 20);
}

#[test]
fn a_sequence_that_moved_on_is_reported_as_such() {
    let Some(step) = check_insert("", "users", 10) else { return };
    let shop_uses_its_sequence = step.to_string().contains("sequence");
    let used_explicit_ids = step["notes"].as_array().is_none_or(Vec::is_empty);
    assert!(shop_uses_its_sequence || used_explicit_ids, "{step}");
}

#[test]
fn a_domain_an_array_of_enums_and_ranges_are_handled_or_refused_aloud() {
    let Some(url) = server_url() else { return };
    for column in [
        "positive",
        "order_status[]",
        "int4range",
        "tstzrange",
        "interval",
        "macaddr",
        "bit(5)",
        "xml",
        "point",
        "tsvector",
    ] {
        let shop = Shop::create(&url, 5);
        shop.session.execute(&format!(
            "CREATE DOMAIN positive AS int CHECK (VALUE > 0);
             CREATE TABLE odd (id int PRIMARY KEY, value {column} NOT NULL);"
        ));
        let chaos = Chaos::new();
        let before = shop.checksum();
        let skills = skill("db.insert_load", "{rows_per_table: 10, tables: [odd]}");

        let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "300ms", &skills));
        let ended = running.wait();

        match ended.code {
            Some(0) => assert_eq!(ended.steps()[0]["effect"]["rows"], 10, "{column}: {}", ended.text()),
            Some(2) => assert!(ended.stderr.contains("odd"), "{column}: {}", ended.text()),
            _ => panic!("{column}: {}", ended.text()),
        }
        assert_same(&shop.checksum(), &before, column);
        chaos.assert_clean();
    }
}

#[test]
fn a_table_with_a_trigger_is_refused_by_name() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 5);
    shop.session.execute(
        "CREATE TABLE audit (what text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO audit VALUES (TG_OP); RETURN NEW; END $$;
         CREATE TRIGGER note_users AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION note();",
    );
    let chaos = Chaos::new();
    let before = shop.checksum();
    for skills in [
        skill("db.insert_load", "{rows_per_table: 5, tables: [users]}"),
        skill("db.update_load", "{rows: 5, tables: [users]}"),
    ] {
        let ended = chaos.run(&Experiment::on_postgres(&shop.url(), "300ms", &skills));
        ended.assert_code(2);
        assert!(ended.stderr.contains("note_users"), "{}", ended.text());
    }
    assert_same(&shop.checksum(), &before, "afterwards");
    chaos.assert_clean();
}

#[test]
fn a_fault_that_fails_half_way_is_undone_too() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 50);
    // Nothing that can be seen before says that no row will ever fit.
    shop.session.execute(
        "CREATE FUNCTION never(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
         CREATE TABLE picky (id int PRIMARY KEY, label text NOT NULL CHECK (never(label)));",
    );
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.insert_load", "{rows_per_table: 20, tables: [users, picky]}");

    let ended = chaos.run(&Experiment::on_postgres(&shop.url(), "300ms", &skills));

    assert!(matches!(ended.code, Some(2 | 4)), "{}", ended.text());
    assert!(ended.text().contains("picky"), "{}", ended.text());
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}
