//! `db.insert_load` on a real PostgreSQL: what could not be taken back, or not be made, is refused before anything happens.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

mod common;

use chaos_core::{Fault, FaultError};
use chaos_db::faults::insert_load::Params;
use chaos_db::faults::insert_load::postgres::{InsertLoadPostgres, Step};
use chaos_db::postgres::PgTarget;
use common::{Scratch, config, prepare_context, step_context, url_of};

const FAULT: InsertLoadPostgres = InsertLoadPostgres;

fn params(rows: u64, table: &str) -> Params {
    Params { rows_per_table: rows, tables: vec![table.to_owned()] }
}

async fn prepared(target: &PgTarget, rows: u64, table: &str) -> Result<Vec<Step>, FaultError> {
    FAULT.prepare(&prepare_context(1), target, params(rows, table)).await
}

/// Prepares, expects a refusal, and compares its whole text with `expected`.
async fn check_refused(target: &PgTarget, rows: u64, table: &str, expected: &str) {
    match prepared(target, rows, table).await {
        Ok(_) => panic!("`{table}` was not refused"),
        Err(error) => {
            let text = format!("{} | {}", error.chain(), error.hint().unwrap_or_default());
            assert!(text.contains(expected), "`{table}`: {text}");
        }
    }
}

const ODD: &str = r#"
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE triggered (id int PRIMARY KEY); CREATE TRIGGER audit AFTER INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION noop();
CREATE TABLE ruled (id int PRIMARY KEY); CREATE RULE stop AS ON INSERT TO ruled DO INSTEAD NOTHING;
CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE orphan (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES parent);
CREATE TABLE fine_orphan (id int PRIMARY KEY, parent_id int REFERENCES parent);
CREATE TABLE small (id smallint PRIMARY KEY);
CREATE TABLE flags (on_off boolean PRIMARY KEY);
CREATE TABLE spots (id int PRIMARY KEY, spot point NOT NULL);
CREATE TABLE odd_check (id int PRIMARY KEY, a int, CONSTRAINT prime CHECK (a % 7 = 3));
CREATE TABLE booked (id int PRIMARY KEY, stay daterange NOT NULL, CONSTRAINT no_overlap EXCLUDE USING gist (stay WITH &&));
CREATE TABLE by_year (id int PRIMARY KEY, at date NOT NULL); CREATE UNIQUE INDEX one_a_year ON by_year (date_part('year', at));
CREATE UNLOGGED TABLE forgetful (id int PRIMARY KEY);
CREATE VIEW seen AS SELECT 1 AS a;
CREATE TABLE pairs (a int REFERENCES parent, b int, PRIMARY KEY (a));
CREATE TABLE empty_partitioned (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE hidden (id int PRIMARY KEY); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_undone_or_made_is_refused_with_its_reason() {
    let Some(scratch) = Scratch::new(ODD).await else { return };
    let before = scratch.checksum().await;
    let cases = [
        ("triggered", "trigger `audit`"),
        ("ruled", "rule `stop`"),
        ("orphan", "`parent_id` needs a row of `parent`"),
        ("small", "free numbers for column `id`"),
        ("flags", "on_off"),
        ("spots", "`point`"),
        ("odd_check", "prime"),
        ("booked", "no_overlap"),
        ("by_year", "date_part"),
        ("forgetful", "unlogged"),
        ("seen", "find table `seen`"),
        ("pairs", "rows of `parent` without a row here"),
        ("empty_partitioned", "no partition"),
        ("trigered", "did you mean `public.triggered`?"),
    ];
    for (table, expected) in cases {
        check_refused(&scratch.target, 20_000, table, expected).await;
    }
    assert_eq!(scratch.checksum().await, before);
    let nullable = prepared(&scratch.target, 10, "fine_orphan").await.unwrap();
    assert_eq!(nullable[0].parents, ["public.parent"]);
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_the_rights_is_told_which() {
    let Some(scratch) =
        Scratch::new("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a)")
            .await
    else {
        return;
    };
    let role = format!("a_reader_{}", std::process::id());
    scratch.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'reader'; GRANT SELECT ON a TO {role}")).await;
    let url = url_of(&scratch.name).replacen("chaos:chaos@", &format!("{role}:reader@"), 1);
    let target = PgTarget::connect(&config(url)).await.unwrap();
    check_refused(&target, 10, "a", "may not create a schema").await;
    scratch.run(&format!("GRANT CREATE ON DATABASE {} TO {role}", scratch.name)).await;
    check_refused(&target, 10, "a", "no right to INSERT").await;
    check_refused(&target, 10, "a", "no right to DELETE").await;
    scratch.run(&format!("GRANT INSERT, DELETE ON a TO {role}")).await;
    check_refused(&target, 10, "a", "no right to UPDATE on `public.a`").await;
    check_refused(&target, 10, "a", "no right to SELECT on `public.b`").await;
    scratch.run(&format!("GRANT UPDATE ON a TO {role}; GRANT SELECT ON b TO {role}")).await;

    // With exactly these rights it can be done and undone.
    let cx = prepare_context(7);
    let before = scratch.checksum().await;
    let step = FAULT.prepare(&cx, &target, params(100, "a")).await.unwrap().remove(0);
    let step_cx = step_context(&cx);
    let mut session = FAULT.arm(&step_cx, &target, &step).await.unwrap();
    FAULT.inject(&step_cx, &target, &step, &mut session).await.unwrap();
    assert_eq!(scratch.value("SELECT count(*) FROM a").await, "100");
    assert_eq!(FAULT.revert(&step_cx, &target, &step).await.unwrap().conflicts_total, 0);
    FAULT.disarm(&step_cx, &target, &step).await.unwrap();
    assert_eq!(scratch.checksum().await, before);

    let name = scratch.name.clone();
    scratch
        .run(&format!("DROP OWNED BY {role}; REVOKE ALL ON DATABASE {name} FROM {role}; DROP ROLE {role}"))
        .await;
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_would_take_hours_is_refused_and_superusers_can_do_it() {
    let sql = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a); \
               INSERT INTO a VALUES (1); INSERT INTO b SELECT 1 FROM generate_series(1, 100000); ANALYZE";
    let Some(scratch) = Scratch::new(sql).await else { return };
    assert_eq!(prepared(&scratch.target, 1_000_000, "a").await.unwrap().len(), 1);
    let role = format!("a_slow_{}", std::process::id());
    let grants = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'slow'; GRANT ALL ON a, b TO {role}; GRANT CREATE ON DATABASE {} TO {role}",
        scratch.name
    );
    scratch.run(&grants).await;
    let url = url_of(&scratch.name).replacen("chaos:chaos@", &format!("{role}:slow@"), 1);
    let target = PgTarget::connect(&config(url)).await.unwrap();
    check_refused(&target, 1_000_000, "a", "CREATE INDEX ON public.b (a)").await;
    assert_eq!(prepared(&target, 1_000, "a").await.unwrap().len(), 1);
    scratch.run("CREATE INDEX ON b (a)").await;
    assert_eq!(prepared(&target, 1_000_000, "a").await.unwrap().len(), 1);
    scratch
        .run(&format!(
            "DROP OWNED BY {role}; REVOKE ALL ON DATABASE {} FROM {role}; DROP ROLE {role}",
            scratch.name
        ))
        .await;
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_of_all_tables_is_refused() {
    let Some(scratch) =
        Scratch::new("CREATE TABLE a (id int PRIMARY KEY); CREATE PUBLICATION everything FOR ALL TABLES")
            .await
    else {
        return;
    };
    check_refused(&scratch.target, 10, "a", "publication `everything`").await;
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_the_plan_is_noticed_and_nothing_is_left() {
    let Some(scratch) = Scratch::new(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE log (id int); CREATE TABLE b (id int PRIMARY KEY)",
    )
    .await
    else {
        return;
    };
    let cx = prepare_context(8);
    let step_cx = step_context(&cx);
    let on_a = FAULT.prepare(&cx, &scratch.target, params(100, "a")).await.unwrap().remove(0);
    let on_b = FAULT.prepare(&cx, &scratch.target, params(100, "b")).await.unwrap().remove(0);
    scratch
        .run(
            "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN INSERT INTO public.log VALUES (1); RETURN NEW; END'; \
             CREATE TRIGGER tell BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION tell(); \
             DROP TABLE b; CREATE TABLE b (id int PRIMARY KEY)",
        )
        .await;
    let before = scratch.checksum().await;
    for (step, expected) in [(on_a, "rows of `public.log` changed too"), (on_b, "dropped or renamed")] {
        let mut session = FAULT.arm(&step_cx, &scratch.target, &step).await.unwrap();
        let error = FAULT.inject(&step_cx, &scratch.target, &step, &mut session).await.unwrap_err();
        let text = format!("{} | {}", error.chain(), error.hint().unwrap_or_default());
        assert!(text.contains(expected), "{text}");
        drop(session);
        assert_eq!(scratch.checksum().await, before);
    }
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_values_that_are_sql_do_no_harm() {
    let sql = r#"
        CREATE SCHEMA "a.b; DROP TABLE x";
        CREATE TYPE "a.b; DROP TABLE x"."mood'" AS ENUM ('it''s', '"; DROP', 'tab	tab', 'back\slash');
        CREATE TABLE "a.b; DROP TABLE x"."t""; --" ("id'" bigint PRIMARY KEY, "select ""x""" "a.b; DROP TABLE x"."mood'" NOT NULL);"#;
    let Some(scratch) = Scratch::new(sql).await else { return };
    let before = scratch.checksum().await;
    let cx = prepare_context(9);
    let step_cx = step_context(&cx);
    let step = FAULT.prepare(&cx, &scratch.target, params(200, r#"t"; --"#)).await.unwrap().remove(0);
    let mut session = FAULT.arm(&step_cx, &scratch.target, &step).await.unwrap();
    if let Err(error) = FAULT.inject(&step_cx, &scratch.target, &step, &mut session).await {
        panic!("{}", error.chain());
    }
    drop(session);
    assert_ne!(scratch.checksum().await, before);
    assert_eq!(FAULT.revert(&step_cx, &scratch.target, &step).await.unwrap().conflicts_total, 0);
    FAULT.disarm(&step_cx, &scratch.target, &step).await.unwrap();
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}
