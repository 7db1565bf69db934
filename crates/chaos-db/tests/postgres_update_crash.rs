//! `db.update_load` on a real PostgreSQL, killed at odd moments, and what it refuses to begin with.

mod common;
mod update_common;

use std::time::Duration;

use chaos_core::{Fault, FaultError};
use chaos_db::postgres::preflight;
use common::{Scratch, config, prepare_context, step_context, url_of};
use serde_json::json;
use update_common::{FAULT, Load, SHOP, params};

const LARGE: &str = "CREATE TABLE large (id int, part text, note text, amount numeric(10,2), PRIMARY KEY (id, part)); \
    INSERT INTO large SELECT g, 'p' || g % 3, 'note ' || g, g / 100.0 FROM generate_series(1, 30000) g";

#[tokio::test]
async fn killed_at_any_moment_of_inject_and_undo_everything_comes_back() {
    let Some(scratch) = Scratch::new(LARGE).await else { return };
    let before = scratch.checksum().await;
    let mut committed = 0;
    for round in 0..16_u32 {
        let mut load = Load::prepared(&scratch, round, json!({"rows": 30_000})).await.unwrap();
        load.steps[0].batch_rows = 2_000;
        // Long enough for the whole inject in the later rounds, however slow the machine is.
        let killed_after = Duration::from_millis(u64::from(round * round) * 8);
        let injected = tokio::time::timeout(killed_after, load.try_inject(&scratch)).await;
        committed += usize::from(injected.is_ok());
        let cx = step_context(&load.cx);
        for patience in 1..4_u64 {
            let undo = FAULT.revert(&cx, &scratch.target, &load.steps[0]);
            // An undo that was cut off, like one that waits for the dying inject, is simply begun again.
            let _ = tokio::time::timeout(Duration::from_millis(patience * 40), undo).await;
        }
        load.undo_all(&scratch).await;
        assert_eq!(scratch.checksum().await, before, "round {round}");
    }
    assert!((1..16).contains(&committed), "{committed} of 16 rounds were committed: the delays are wrong");
    scratch.drop().await;
}

#[tokio::test]
async fn a_backend_terminated_in_the_middle_leaves_nothing() {
    let Some(scratch) = Scratch::new(&LARGE.replace("30000", "200000")).await else { return };
    let before = scratch.checksum().await;
    let load = Load::prepared(&scratch, 1, json!({"rows": 200_000})).await.unwrap();
    let killer = scratch.target.session().await.unwrap();
    let end = async {
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE datname = current_database() AND state = 'active' AND query LIKE 'INSERT INTO%chaos_%'";
        for _ in 0..10_000 {
            if !killer.simple("kill", kill).await.unwrap().is_empty() {
                return;
            }
        }
        panic!("the inject was never seen");
    };
    let (injected, ()) = tokio::join!(load.try_inject(&scratch), end);
    assert!(matches!(injected, Err(FaultError::Unreachable(_))), "{injected:?}");
    load.undo_all(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

/// Prepares and returns the refusal with its causes and hint.
async fn refusal(scratch: &Scratch, given: serde_json::Value) -> String {
    match Load::prepared(scratch, 1, given).await {
        Ok(_) => panic!("nothing was refused"),
        Err(error @ (FaultError::Preflight(_) | FaultError::Params(_))) => {
            format!("{} / {}", error.chain(), error.hint().unwrap_or_default())
        }
        Err(error) => panic!("{}", error.chain()),
    }
}

#[tokio::test]
async fn what_could_not_be_undone_is_refused_with_every_reason() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let said = refusal(&scratch, json!({"tables": ["audited", "nokey", "rigid"]})).await;
    for part in [
        "trigger `audit` of `public.audited` would fire",
        "table `public.nokey` has no primary key",
        "column `code` of `public.rigid` must be unique",
        "column `amount` of `public.rigid` is checked by constraint `rigid_amount_check`",
        "ALTER TABLE public.audited DISABLE TRIGGER audit",
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    let said = refusal(&scratch, json!({"tables": ["users"], "columns": ["upper_name"]})).await;
    assert!(said.contains("`upper_name` of `public.users` is generated"), "{said}");
    scratch.run("CREATE RULE quiet AS ON UPDATE TO users DO INSTEAD NOTHING").await;
    let said = refusal(&scratch, json!({"tables": ["users"]})).await;
    assert!(said.contains("rule `quiet`"), "{said}");
    scratch.run("CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY, a text); INSERT INTO fleeting VALUES (1, 'a')").await;
    scratch.run("CREATE TABLE empty (id int PRIMARY KEY, a text)").await;
    let said = refusal(&scratch, json!({"tables": ["fleeting", "empty"]})).await;
    assert!(said.contains("is unlogged") && said.contains("`public.empty` has no rows"), "{said}");
    scratch.drop().await;
}

#[tokio::test]
async fn a_table_that_others_block_is_refused_with_who_blocks_it() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let other = scratch.target.session().await.unwrap();
    other.begin().await.unwrap();
    other.batch("lock", "LOCK TABLE public.users IN SHARE MODE").await.unwrap();
    let said = refusal(&scratch, json!({"tables": ["users"]})).await;
    assert!(said.contains(&format!("process {}", other.backend_pid)) && said.contains("ShareLock"), "{said}");
    other.rollback().await.unwrap();
    let load = Load::prepared(&scratch, 1, json!({"tables": ["users"]})).await.unwrap();
    other.begin().await.unwrap();
    other.batch("lock", "LOCK TABLE public.users IN SHARE MODE").await.unwrap();
    let error = load.try_inject(&scratch).await.unwrap_err();
    assert!(matches!(error, FaultError::Busy(_)), "{}", error.chain());
    scratch.drop().await;
}

#[tokio::test]
async fn a_trigger_made_after_the_plan_is_seen_before_the_first_effect() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let load = Load::prepared(&scratch, 1, json!({"tables": ["users"]})).await.unwrap();
    scratch.run("CREATE TRIGGER late BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION spoil()").await;
    let before = scratch.checksum().await;
    let error = load.try_inject(&scratch).await.unwrap_err();
    assert!(matches!(error, FaultError::Preflight(_)) && error.chain().contains("late"), "{}", error.chain());
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn a_role_without_rights_is_refused_with_what_it_lacks() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let role = format!("{}_role", scratch.name);
    let sql = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT SELECT ON users TO {role}; \
         ALTER TABLE orders ENABLE ROW LEVEL SECURITY; GRANT SELECT, UPDATE ON orders TO {role}"
    );
    scratch.run(&sql).await;
    let mut url = url::Url::parse(&url_of(&scratch.name)).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("x")).unwrap();
    let target = chaos_db::postgres::PgTarget::connect(&config(url)).await.unwrap();
    let refused = async |given: serde_json::Value| {
        let error = FAULT.prepare(&prepare_context(1), &target, params(given)).await.unwrap_err();
        format!("{} / {}", error.chain(), error.hint().unwrap_or_default())
    };
    let said = refused(json!({"tables": ["users"]})).await;
    assert!(said.contains("may not create a schema in database"), "{said}");
    scratch.run(&format!("GRANT CREATE ON DATABASE {} TO {role}", scratch.name)).await;
    let said = refused(json!({"tables": ["users", "orders"]})).await;
    assert!(said.contains(&format!("GRANT UPDATE ON public.users TO {role}")), "{said}");
    assert!(said.contains("row security of `public.orders`"), "{said}");
    scratch.run(&format!("ALTER ROLE {role} SET default_transaction_read_only = on")).await;
    let said = refused(json!({"tables": ["users"]})).await;
    assert!(said.contains("read-only by default"), "{said}");
    drop(target);
    scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    scratch.drop().await;
}

#[tokio::test]
async fn an_event_trigger_and_a_publication_of_all_tables_are_refused() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let sql = "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; \
               CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watch()";
    scratch.run(sql).await;
    let said = refusal(&scratch, json!({})).await;
    assert!(
        said.contains("event trigger `watch`") && said.contains("ALTER EVENT TRIGGER watch DISABLE"),
        "{said}"
    );
    scratch.run("DROP EVENT TRIGGER watch; SET client_min_messages = error; CREATE PUBLICATION everything FOR ALL TABLES").await;
    assert!(refusal(&scratch, json!({})).await.contains("publication `everything` is FOR ALL TABLES"));
    scratch.drop().await;
}

#[tokio::test]
async fn rows_of_a_run_that_cannot_be_seen_are_not_risked() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let role = format!("{}_blind", scratch.name);
    let sql = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT SELECT, UPDATE ON users TO {role}; \
         GRANT CREATE ON DATABASE {} TO {role}",
        scratch.name
    );
    scratch.run(&sql).await;
    let first = Load::injected(&scratch, 1, json!({"rows": 10, "tables": ["users"]})).await;
    let mut url = url::Url::parse(&url_of(&scratch.name)).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("x")).unwrap();
    let target = chaos_db::postgres::PgTarget::connect(&config(url)).await.unwrap();
    let cx = prepare_context(2);
    let steps = FAULT.prepare(&cx, &target, params(json!({"tables": ["users"]}))).await.unwrap();
    let cx = step_context(&cx);
    let mut session = FAULT.arm(&cx, &target, &steps[0]).await.unwrap();
    let error = FAULT.inject(&cx, &target, &steps[0], &mut session).await.unwrap_err();
    assert!(error.chain().contains("which rows belong to `chaos_"), "{}", error.chain());
    drop((session, target));
    first.undo_all(&scratch).await;
    scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    scratch.drop().await;
}

#[tokio::test]
async fn a_disk_without_room_is_refused_where_it_can_be_seen() {
    let Some(scratch) = Scratch::new("").await else { return };
    let session = scratch.target.session().await.unwrap();
    preflight::check_space(&session, 0).await.unwrap();
    if std::path::Path::new(&scratch.value("SHOW data_directory").await).exists() {
        let error = preflight::check_space(&session, 1 << 60).await.unwrap_err();
        assert!(error.chain().contains("MiB free"), "{}", error.chain());
    }
    scratch.drop().await;
}
