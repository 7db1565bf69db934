//! `db.update_load` on a real PostgreSQL: every type, every awkward value, every kind of key, changed and exactly restored.

mod common;
mod update_common;

use chaos_core::Fault;
use common::Scratch;
use serde_json::json;
use update_common::{FAULT, Load};

/// One column for every type that we change.
const COLUMNS: &[(&str, &str)] = &[
    ("a_bool", "bool"),
    ("a_int2", "smallint"),
    ("a_int4", "int"),
    ("a_int8", "bigint NOT NULL DEFAULT 0"),
    ("a_numeric", "numeric"),
    ("a_money", "numeric(4,2)"),
    ("a_fraction", "numeric(3,3)"),
    ("a_digit", "numeric(1,0)"),
    ("a_float4", "real"),
    ("a_float8", "double precision"),
    ("a_text", "text NOT NULL DEFAULT ''"),
    ("a_varchar", "varchar(5)"),
    ("a_letter", "varchar(1)"),
    ("a_char", "char(6)"),
    ("a_name", "name"),
    ("a_uuid", "uuid"),
    ("a_date", "date"),
    ("a_time", "time(0)"),
    ("a_timetz", "timetz"),
    ("a_timestamp", "timestamp(0)"),
    ("a_timestamptz", "timestamptz"),
    ("a_interval", "interval"),
    ("a_years", "interval year"),
    ("a_json", "json"),
    ("a_jsonb", "jsonb"),
    ("a_bytea", "bytea"),
    ("a_inet", "inet"),
    ("a_cidr", "cidr"),
    ("a_mac", "macaddr"),
    ("a_bit", "bit(3)"),
    ("a_varbit", "bit varying(5)"),
    ("a_mood", "\"Mood\""),
    ("a_ints", "int[]"),
    ("a_texts", "text[]"),
    ("a_moods", "\"Mood\"[]"),
    ("a_moneys", "numeric(4,2)[]"),
    ("a_jsonbs", "jsonb[]"),
    ("a_ranges", "int4range[]"),
    ("a_range", "int8range"),
    ("a_dates", "daterange"),
    ("a_tsrange", "tstzrange"),
    ("a_numrange", "numrange"),
    ("a_domain", "label"),
    ("a_domains", "labels"),
];

/// Values that have been lost or bent by others: each row is one value for some columns, all others are NULL.
const VALUES: &[(&str, &[&str])] = &[
    ("a_bool", &["true", "false"]),
    ("a_int2", &["32767", "-32768", "0"]),
    ("a_int4", &["2147483647", "-2147483648", "0"]),
    ("a_int8", &["9223372036854775807", "-9223372036854775808"]),
    ("a_numeric", &["1.0", "1.00", "'NaN'", "0", "-0.000", "12345678901234567890.123456789", "'Infinity'"]),
    ("a_money", &["99.99", "-99.99", "0.01", "-0.01", "0", "'NaN'"]),
    ("a_fraction", &["0.999", "-0.999", "0.001", "0.000"]),
    ("a_digit", &["9", "-9", "0", "1", "5"]),
    ("a_float4", &["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "3.4e38", "1e-45", "0.1"]),
    ("a_float8", &["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "1.7e308", "5e-324", "0.1"]),
    (
        "a_text",
        &["''", "' '", "'it''s'", r"'back\slash'", "E'a\\nb'", "''' WHERE true --'", "'$1'", "'ü€😀'"],
    ),
    ("a_varchar", &["''", "'abcde'", "'a   '"]),
    ("a_letter", &["''", "'0'", "'9'", "'a'", "'f'", "'''' "]),
    ("a_char", &["''", "'a'", "'abcdef'", "' a'"]),
    ("a_name", &["''", "'abc'"]),
    ("a_date", &["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'2000-01-01'"]),
    ("a_time", &["'24:00'", "'00:00'"]),
    ("a_timetz", &["'24:00+14'", "'00:00-12'"]),
    ("a_timestamp", &["'infinity'", "'-infinity'", "'294276-12-31 23:59:59'", "'4713-01-01 BC'"]),
    ("a_timestamptz", &["'infinity'", "'-infinity'", "'2000-01-01Z'"]),
    ("a_interval", &["'0'", "'178000000 years'", "'-178000000 years'", "'1 mon -1 day'"]),
    ("a_years", &["'0'", "'3 years'"]),
    (
        "a_json",
        &[
            r#"'{"b": 1,  "a":"x"}'"#,
            "'{}'",
            "'[1 , 2]'",
            "'null'",
            r#"'{"a":"\u0000","a":2}'"#,
            "'  \"s\" '",
        ],
    ),
    ("a_jsonb", &["'{\"chaos\": 1}'", "'{}'", "'[]'", "'null'", "'1.00'"]),
    ("a_bytea", &[r"'\x'", r"'\x0027'"]),
    ("a_inet", &["'255.255.255.255'", "'0.0.0.0/0'", "'::'", "'10.1.2.3/8'"]),
    ("a_cidr", &["'198.51.100.0/24'", "'203.0.113.0/24'", "'::/0'"]),
    ("a_mac", &["'ff:ff:ff:ff:ff:ff'"]),
    ("a_bit", &["'000'", "'111'"]),
    ("a_varbit", &["''", "'10101'"]),
    ("a_mood", &["'it''s'", "'a \"b\" \\c'", "'sad'"]),
    ("a_ints", &["'{}'", "'{NULL,1}'", "'{{1,2},{3,4}}'", "'[5:6]={1,2}'"]),
    ("a_texts", &["'{}'", "'{NULL,\"NULL\",\"\",\"it''s\"}'"]),
    ("a_moods", &["'{sad,NULL}'"]),
    ("a_moneys", &["'{1.00,NaN}'"]),
    ("a_jsonbs", &["'{}'"]),
    ("a_ranges", &["'{\"[1,5)\",empty}'"]),
    ("a_range", &["'empty'", "'(,)'", "'[1,5)'", "'[2,7)'"]),
    ("a_dates", &["'empty'", "'[2000-01-01,2000-02-01)'", "'[infinity,)'"]),
    ("a_tsrange", &["'(,infinity)'"]),
    ("a_numrange", &["'[1.0,5)'", "'[1.00,5)'"]),
    ("a_domain", &["'x'"]),
    ("a_domains", &["'{a,NULL}'"]),
];

fn world() -> String {
    let columns: Vec<String> = COLUMNS.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let mut sql = format!(
        "CREATE TYPE \"Mood\" AS ENUM ('it''s', 'a \"b\" \\c', 'sad'); CREATE DOMAIN label AS varchar(4); \
         CREATE DOMAIN labels AS text[]; \
         CREATE TABLE everything (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {}); \
         INSERT INTO everything DEFAULT VALUES;",
        columns.join(", ")
    );
    for (column, values) in VALUES {
        for value in *values {
            sql.push_str(&format!("INSERT INTO everything ({column}) VALUES ({value});"));
        }
    }
    sql.push_str("CREATE TABLE before AS TABLE everything; ALTER TABLE before ADD PRIMARY KEY (id);");
    sql
}

#[tokio::test]
async fn every_value_of_every_type_differs_during_the_hold_and_is_the_same_to_the_byte_afterwards() {
    let Some(scratch) = Scratch::new(&world()).await else { return };
    let before = scratch.checksum().await;
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let load =
        Load::injected(&scratch, 1, json!({"rows": 1000, "tables": ["everything"], "columns": names})).await;
    for name in names {
        let same = format!(
            "SELECT string_agg(coalesce(e.{name}::text, 'NULL'), ' | ') FROM everything e JOIN before b USING (id) \
             WHERE record_image_eq(ROW(e.{name}), ROW(b.{name}))"
        );
        assert_eq!(scratch.value(&same).await, "NULL", "{name} is unchanged for these values");
    }
    load.undo_all(&scratch).await;
    let same = "SELECT count(*) FROM everything e JOIN before b USING (id) WHERE record_image_eq(e, b)";
    assert_eq!(scratch.value(same).await, scratch.value("SELECT count(*) FROM before").await);
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn names_that_need_quotes_and_composite_keys_are_found_again() {
    let world = r#"
        CREATE SCHEMA "Sales ""x""";
        CREATE TABLE "Sales ""x"""."Order" ("select" int, "Key'2" text, "where" char(3), "from ""a""" text,
            PRIMARY KEY ("select", "Key'2", "where"));
        INSERT INTO "Sales ""x"""."Order" SELECT g % 7, 'it''s \ ' || g, 'a', ''' WHERE true --' FROM generate_series(1, 300) g;
        CREATE TABLE public."user" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "group" text, "ID" int);
        INSERT INTO public."user" ("group", "ID") SELECT NULL, g FROM generate_series(1, 50) g;
    "#;
    let Some(scratch) = Scratch::new(world).await else { return };
    let before = scratch.checksum().await;
    let load = Load::injected(&scratch, 1, json!({"rows": 40})).await;
    let rows: Vec<_> = load.effects.iter().map(|effect| effect.0["rows"].as_u64().unwrap()).collect();
    assert_eq!(rows, [40, 40]);
    assert_ne!(scratch.checksum().await, before);
    load.undo_all(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn a_partitioned_table_is_changed_in_all_its_parts() {
    let world = "
        CREATE TABLE events (id int, at date, note text, size int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
        CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (id);
        CREATE TABLE events_2_rest PARTITION OF events_2 DEFAULT;
        CREATE TABLE odd (size int CHECK (size < 1000000), note text, at date NOT NULL, id int NOT NULL);
        ALTER TABLE events ATTACH PARTITION odd FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
        INSERT INTO events SELECT g, date '2020-01-01' + g, 'note ' || g, g FROM generate_series(0, 1000) g;
    ";
    let Some(scratch) = Scratch::new(world).await else { return };
    let before = scratch.checksum().await;
    let load = Load::injected(&scratch, 1, json!({"rows": 5000})).await;
    // The check of one partition keeps the column from being changed in all of them.
    assert_eq!(load.effects[0].0["columns"], json!(["note"]));
    assert_eq!(load.effects[0].0["rows"], 1001);
    load.undo_all(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn a_random_part_of_a_partitioned_table_comes_back() {
    let world = "
        CREATE TABLE parts (id int PRIMARY KEY, note text) PARTITION BY HASH (id);
        CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO parts SELECT g, 'note ' || g FROM generate_series(1, 20000) g;
    ";
    let Some(scratch) = Scratch::new(world).await else { return };
    let before = scratch.checksum().await;
    let load = Load::injected(&scratch, 1, json!({"rows": 1000})).await;
    assert_eq!(load.effects[0].0["rows"], 1000);
    let spread = "SELECT count(DISTINCT (id - 1) / 2000) FROM parts WHERE note NOT LIKE 'note%'";
    assert_eq!(scratch.value(spread).await, "10", "the rows are not spread over the table");
    load.undo_all(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn two_uses_with_the_same_plan_choose_rows_by_their_own_seed() {
    let world = "CREATE TABLE t (id int PRIMARY KEY, note text); \
                 INSERT INTO t SELECT g, g::text FROM generate_series(1, 10000) g";
    let Some(scratch) = Scratch::new(world).await else { return };
    let chosen = "SELECT md5(string_agg(id::text, ',' ORDER BY id)) FROM t WHERE note <> id::text";
    let mut seen = Vec::new();
    for use_number in 1..=2 {
        let load = Load::injected(&scratch, use_number, json!({"rows": 50})).await;
        seen.push(scratch.value(chosen).await);
        load.undo_all(&scratch).await;
    }
    assert_ne!(seen[0], seen[1]);
    assert!(
        FAULT.facts(&Load::prepared(&scratch, 3, json!({})).await.unwrap().steps[0]).undo.contains("chaos_")
    );
    scratch.drop().await;
}
