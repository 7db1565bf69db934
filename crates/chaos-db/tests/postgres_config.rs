//! `db.config_change` on a real PostgreSQL of its own: settings change, and come back exactly.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

mod common;
mod own_server;

use chaos_core::{Fault, FaultError, NameKind, RevertOutcome, Reverted};
use chaos_db::faults::config_change::postgres::{ConfigChangePostgres, ConfigChangeStep};
use common::{prepare_context, step_context};
use own_server::{OwnServer, assert_same};
use serde_json::{Value, json};

async fn prepare(server: &OwnServer, changes: Value) -> Vec<ConfigChangeStep> {
    let params = serde_json::from_value(json!({"changes": changes})).unwrap();
    match ConfigChangePostgres.prepare(&prepare_context(1), &server.target, params).await {
        Ok(steps) => steps,
        Err(error) => panic!("{}", error.chain()),
    }
}

async fn inject(
    server: &OwnServer,
    step: &ConfigChangeStep,
) -> Result<serde_json::Map<String, Value>, FaultError> {
    let cx = step_context(&prepare_context(1));
    let mut session = ConfigChangePostgres.arm(&cx, &server.target, step).await?;
    let effect = ConfigChangePostgres.inject(&cx, &server.target, step, &mut session).await?;
    ConfigChangePostgres.finish(&cx, session).await?;
    Ok(effect.0)
}

async fn revert(server: &OwnServer, step: &ConfigChangeStep) -> Result<Reverted, FaultError> {
    ConfigChangePostgres.revert(&step_context(&prepare_context(1)), &server.target, step).await
}

async fn one(server: &OwnServer, param: &str, value: &str) -> ConfigChangeStep {
    prepare(server, json!([{"param": param, "value": value}])).await.remove(0)
}

#[tokio::test]
async fn settings_files_and_sources_are_the_same_after_the_undo() {
    let Some(server) = OwnServer::start("").await else { return };
    server
        .run(&[
            "ALTER SYSTEM SET checkpoint_timeout = '7min'",
            "ALTER SYSTEM SET \"DateStyle\" = 'ISO, DMY'",
            "ALTER SYSTEM SET log_line_prefix = 'it''s \"old\" \\ %m '",
            "SELECT pg_reload_conf()",
        ])
        .await;
    let before = server.state().await;
    let changes = [
        ("work_mem", json!("64MB"), "4MB", "64MB"),
        ("checkpoint_timeout", json!(600), "7min", "10min"),
        ("autovacuum", json!(false), "on", "off"),
        ("random_page_cost", json!(1.5), "4", "1.5"),
        ("DateStyle", json!("German"), "ISO, DMY", "German, DMY"),
        ("log_line_prefix", json!("it's \"new\" \\ %p "), "it's \"old\" \\ %m ", "it's \"new\" \\ %p "),
        ("lock_timeout", json!("3s"), "0", "3s"),
        ("statement_timeout", json!("90s"), "0", "90s"),
        ("autovacuum_vacuum_cost_delay", json!("1500us"), "2ms", "1500us"),
        ("log_min_messages", json!("debug1"), "warning", "debug1"),
    ];
    let written = changes.iter().map(|(param, value, ..)| json!({"param": param, "value": value})).collect();
    let steps = prepare(&server, written).await;
    for (step, (param, _, before, after)) in steps.iter().zip(&changes) {
        let effect = inject(&server, step).await.unwrap();
        assert_eq!(effect["before"], *before, "{param}");
        assert_eq!(effect["after"], *after, "{param}");
        assert_eq!(server.show(param).await, *after);
    }
    for step in steps.iter().rev() {
        assert_eq!(revert(&server, step).await.unwrap().outcome, RevertOutcome::Restored, "{step}");
        assert_eq!(revert(&server, step).await.unwrap().outcome, RevertOutcome::NothingToDo, "{step}");
    }
    assert_same(&before, &server.state().await);
    server.restart();
    assert_same(&before, &server.state().await);
}

#[tokio::test]
async fn a_value_that_is_in_force_already_is_pinned_only_for_the_hold() {
    let Some(server) = OwnServer::start("").await else { return };
    let before = server.state().await;
    let step = one(&server, "work_mem", "4MB").await;
    assert_eq!(step.to_string(), "set `work_mem` to `4MB` (now `4MB`)");
    let facts = ConfigChangePostgres.facts(&step);
    assert!(facts.undo.contains("taken out of postgresql.auto.conf"), "{}", facts.undo);
    assert_eq!((facts.names[0].kind, facts.names[0].name.as_str()), (NameKind::Setting, "work_mem"));
    inject(&server, &step).await.unwrap();
    assert!(server.auto_conf().contains(&"work_mem = '4MB'".to_owned()));
    revert(&server, &step).await.unwrap();
    assert_same(&before, &server.state().await);
}

#[tokio::test]
async fn an_entry_that_somebody_else_wrote_meanwhile_is_a_conflict_and_stays() {
    let Some(server) = OwnServer::start("").await else { return };
    let step = one(&server, "work_mem", "64MB").await;
    inject(&server, &step).await.unwrap();
    server.run(&["ALTER SYSTEM SET work_mem = '32MB'"]).await;
    let reverted = revert(&server, &step).await.unwrap();
    assert_eq!(reverted.conflicts_total, 1, "{reverted:?}");
    assert!(reverted.conflicts[0].found.contains("`32MB`"), "{reverted:?}");
    assert!(server.auto_conf().contains(&"work_mem = '32MB'".to_owned()));
    assert_eq!(server.show("work_mem").await, "32MB", "nobody gets ours any more");
    server.run(&["ALTER SYSTEM RESET work_mem", "SELECT pg_reload_conf()"]).await;
    let reverted = revert(&server, &step).await.unwrap();
    assert_eq!(reverted.conflicts_total, 0, "{reverted:?}");
}

#[tokio::test]
async fn an_entry_that_somebody_else_took_out_is_a_conflict_and_stays_out() {
    let Some(server) = OwnServer::start("").await else { return };
    server.run(&["ALTER SYSTEM SET work_mem = '8MB'", "SELECT pg_reload_conf()"]).await;
    let step = one(&server, "work_mem", "64MB").await;
    assert!(ConfigChangePostgres.facts(&step).undo.contains("set back to `8MB`"));
    inject(&server, &step).await.unwrap();
    server.run(&["ALTER SYSTEM RESET work_mem", "SELECT pg_reload_conf()"]).await;
    let reverted = revert(&server, &step).await.unwrap();
    assert!(reverted.conflicts[0].found.contains("took it out"), "{reverted:?}");
    assert!(!server.auto_conf().iter().any(|line| line.contains("work_mem")));
}

#[tokio::test]
async fn an_entry_that_changed_between_plan_and_inject_stops_the_inject() {
    let Some(server) = OwnServer::start("").await else { return };
    let step = one(&server, "work_mem", "64MB").await;
    server.run(&["ALTER SYSTEM SET work_mem = '32MB'"]).await;
    let error = inject(&server, &step).await.unwrap_err();
    assert!(error.hint().unwrap().contains("since the plan was made"), "{error:?}");
    assert!(server.auto_conf().contains(&"work_mem = '32MB'".to_owned()));
}

#[tokio::test]
async fn a_crash_between_the_entry_and_the_reload_is_undone() {
    let Some(server) = OwnServer::start("").await else { return };
    let before = server.state().await;
    let step = one(&server, "work_mem", "64MB").await;
    server.run(&["ALTER SYSTEM SET work_mem = '64MB'"]).await;
    assert_eq!(revert(&server, &step).await.unwrap().outcome, RevertOutcome::Restored);
    assert_same(&before, &server.state().await);
    server.restart();
    assert_same(&before, &server.state().await);
}

#[tokio::test]
async fn a_crash_of_the_undo_between_entry_and_reload_is_finished_by_the_next_one() {
    let Some(server) = OwnServer::start("").await else { return };
    let before = server.state().await;
    let step = one(&server, "checkpoint_timeout", "10min").await;
    inject(&server, &step).await.unwrap();
    server.run(&["ALTER SYSTEM RESET checkpoint_timeout"]).await;
    assert_eq!(server.show("checkpoint_timeout").await, "10min");
    assert_eq!(revert(&server, &step).await.unwrap().outcome, RevertOutcome::Restored);
    assert_same(&before, &server.state().await);
}

#[tokio::test]
async fn a_restart_in_the_hold_changes_nothing_about_the_undo() {
    let Some(server) = OwnServer::start("").await else { return };
    let before = server.state().await;
    let step = one(&server, "work_mem", "64MB").await;
    inject(&server, &step).await.unwrap();
    server.restart();
    assert_eq!(server.show("work_mem").await, "64MB");
    assert_eq!(revert(&server, &step).await.unwrap().outcome, RevertOutcome::Restored);
    assert_same(&before, &server.state().await);
}

#[tokio::test]
async fn a_stalled_inject_cannot_change_anything_after_the_undo() {
    let Some(server) = OwnServer::start("").await else { return };
    let step = one(&server, "work_mem", "64MB").await;
    let cx = step_context(&prepare_context(1));
    let mut stalled = ConfigChangePostgres.arm(&cx, &server.target, &step).await.unwrap();
    assert_eq!(revert(&server, &step).await.unwrap().outcome, RevertOutcome::NothingToDo);
    let late = ConfigChangePostgres.inject(&cx, &server.target, &step, &mut stalled).await;
    assert!(matches!(late, Err(FaultError::Unreachable(_))), "{late:?}");
    assert_eq!(server.show("work_mem").await, "4MB");
}

#[tokio::test]
async fn an_undo_that_the_server_cannot_read_is_never_called_done() {
    let Some(server) = OwnServer::start("").await else { return };
    let step = one(&server, "work_mem", "64MB").await;
    inject(&server, &step).await.unwrap();
    let path = server.file("postgresql.conf");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{good}\nthis is = no = setting\n")).unwrap();
    let error = revert(&server, &step).await.unwrap_err();
    assert!(error.chain().contains("postgresql.conf, line"), "{}", error.chain());
    assert_eq!(server.show("work_mem").await, "64MB");
    std::fs::write(&path, good).unwrap();
    assert_eq!(revert(&server, &step).await.unwrap().outcome, RevertOutcome::Restored);
    assert_eq!(server.show("work_mem").await, "4MB");
}

#[tokio::test]
async fn a_value_that_somebody_sets_in_another_file_meanwhile_is_a_conflict() {
    let Some(server) = OwnServer::start("").await else { return };
    let step = one(&server, "work_mem", "64MB").await;
    inject(&server, &step).await.unwrap();
    let path = server.file("postgresql.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\nwork_mem = 16MB\n")).unwrap();
    let reverted = revert(&server, &step).await.unwrap();
    assert_eq!(reverted.outcome, RevertOutcome::Restored);
    assert!(reverted.conflicts[0].found.contains("`16MB`"), "{reverted:?}");
}

#[tokio::test]
async fn what_the_server_drops_from_the_file_is_said_before_and_after() {
    let Some(server) = OwnServer::start("").await else { return };
    let path = server.file("postgresql.auto.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}# by hand\nwork_mem = 5MB\nwork_mem = 6MB\n")).unwrap();
    server.run(&["SELECT pg_reload_conf()"]).await;
    // The time of a change is known to the second only.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    server.run(&["SELECT pg_reload_conf()"]).await;
    let step = one(&server, "work_mem", "64MB").await;
    assert_eq!(step.old_entry.as_deref(), Some("6MB"));
    let facts = ConfigChangePostgres.facts(&step);
    assert!(
        facts.undo.contains("1 lines of comments and 1 entries that stand there twice"),
        "{}",
        facts.undo
    );
    inject(&server, &step).await.unwrap();
    let reverted = revert(&server, &step).await.unwrap();
    assert_eq!(reverted.notes.len(), 2, "{reverted:?}");
    assert_eq!(server.show("work_mem").await, "6MB");
}
