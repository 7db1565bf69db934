//! `db.config_change` on a real PostgreSQL of its own: what could not be undone, or would do nothing, is refused.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

mod common;
mod own_server;

use std::time::{Duration, Instant};

use chaos_core::{Fault, FaultError};
use chaos_db::faults::config_change::postgres::{ConfigChangePostgres, ConfigChangeStep};
use chaos_db::postgres::PgTarget;
use common::{prepare_context, step_context};
use own_server::{OwnServer, assert_same};
use serde_json::json;

async fn prepare(target: &PgTarget, param: &str, value: &str) -> Result<ConfigChangeStep, FaultError> {
    let params = serde_json::from_value(json!({"changes": [{"param": param, "value": value}]})).unwrap();
    Ok(ConfigChangePostgres.prepare(&prepare_context(1), target, params).await?.remove(0))
}

async fn refused(target: &PgTarget, param: &str, value: &str) -> String {
    match prepare(target, param, value).await {
        Err(FaultError::Preflight(failure)) => {
            let error = FaultError::Preflight(failure);
            format!("{} | {}", error.chain(), error.hint().unwrap_or_default())
        }
        other => panic!("`{param}` = `{value}`: {other:?}"),
    }
}

#[tokio::test]
async fn settings_and_values_that_must_not_be_changed_are_refused_with_the_reason() {
    let Some(server) = OwnServer::start("").await else { return };
    let before = server.state().await;
    for (param, value, reason) in [
        ("fsync", "off", "lost or damaged in a crash"),
        ("synchronous_commit", "off", "lost or damaged in a crash"),
        ("listen_addresses", "*", "who can connect"),
        ("ssl_ciphers", "NULL", "who can connect"),
        ("archive_command", "rm -rf /", "lost or damaged"),
        ("session_preload_libraries", "evil", "other code"),
        ("search_path", "evil", "list of quoted names"),
        ("default_transaction_read_only", "on", "the undo itself"),
        ("shared_buffers", "900GB", "only with a restart"),
        ("wal_buffers", "1MB", "only with a restart"),
        ("block_size", "4096", "cannot be changed at all"),
        ("workmem", "4MB", "did you mean `work_mem`?"),
        ("WORK_MEM", "4MB", "did you mean `work_mem`?"),
        ("work_mem\"; DROP TABLE t; --", "4MB", "there is no setting"),
        ("work_mem", "1kB", "outside the valid range"),
        ("work_mem", "lots", "invalid value"),
        ("work_mem", "4mb", "invalid value"),
        ("checkpoint_timeout", "1s", "it must be 30 to 86400"),
        ("checkpoint_timeout", "5MB", "none of the units us, ms, s"),
        ("autovacuum", "perhaps", "neither `on` nor `off`"),
        ("log_line_prefix", "two\nlines", "no line breaks"),
        ("TimeZone", "Mars/Olympus", "invalid value"),
        ("statement_timeout", "5ms", "the undo itself would be cut off"),
    ] {
        let text = refused(&server.target, param, value).await;
        assert!(text.contains(reason), "`{param}` = `{value}`: {text}");
    }
    assert_same(&before, &server.state().await);
}

#[tokio::test]
async fn all_problems_of_all_changes_are_named_at_once() {
    let Some(server) = OwnServer::start("").await else { return };
    let params = serde_json::from_value(json!({"changes": [
        {"param": "fsync", "value": false}, {"param": "work_mem", "value": "64MB"}, {"param": "nope", "value": 1}
    ]}));
    let prepared = ConfigChangePostgres.prepare(&prepare_context(1), &server.target, params.unwrap()).await;
    let text = prepared.unwrap_err().chain();
    assert!(text.contains("`fsync`") && text.contains("`nope`"), "{text}");
}

#[tokio::test]
async fn a_change_that_something_else_would_hide_is_refused() {
    let Some(server) = OwnServer::start("-c work_mem=5MB").await else { return };
    let text = refused(&server.target, "work_mem", "64MB").await;
    assert!(text.contains("`command line`"), "{text}");
    server.run(&["ALTER ROLE chaos SET random_page_cost = 2", "CREATE ROLE app LOGIN"]).await;
    let text = refused(&server.target, "random_page_cost", "3").await;
    assert!(text.contains("`user`"), "{text}");
    server.run(&["ALTER ROLE app IN DATABASE postgres SET lock_timeout = '1s'"]).await;
    let step = prepare(&server.target, "lock_timeout", "3s").await.unwrap();
    assert_eq!(
        step.to_string(),
        "set `lock_timeout` to `3s` (now `0`); not seen by role `app` in database `postgres`, which have their own value"
    );
}

#[tokio::test]
async fn an_error_in_a_file_that_blocks_every_reload_is_found_beforehand() {
    let Some(server) = OwnServer::start("").await else { return };
    let path = server.file("postgresql.conf");
    let good = std::fs::read_to_string(&path).unwrap();
    for bad in ["work_mem = = 4", "no_such_setting = 4"] {
        // The server knows the time of a change to the second only: this one is later than its start, too.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        std::fs::write(&path, format!("{good}{bad}\n")).unwrap();
        let text = refused(&server.target, "lock_timeout", "3s").await;
        assert!(text.contains("postgresql.conf, line"), "{text}");
    }
    // A change that only waits for a restart blocks nothing.
    std::fs::write(&path, good).unwrap();
    server.run(&["ALTER SYSTEM SET max_connections = 50", "SELECT pg_reload_conf()"]).await;
    prepare_once_loaded(&server, "lock_timeout", "3s").await;
}

/// Has the server read everything that the tests have written, and prepares. Each of its processes reads when it comes to that.
async fn prepare_once_loaded(server: &OwnServer, param: &str, value: &str) {
    // It knows the time of a change to the second only.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    server.run(&["SELECT pg_reload_conf()"]).await;
    let end = Instant::now() + Duration::from_secs(30);
    while let Err(error) = prepare(&server.target, param, value).await {
        assert!(Instant::now() < end, "{}", error.chain());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_pending_change_of_somebody_else_is_not_put_into_force_by_our_reload() {
    let Some(server) = OwnServer::start("").await else { return };
    // The server knows the time of a change to the second only.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    server.run(&["ALTER SYSTEM SET random_page_cost = 1.1"]).await;
    let text = refused(&server.target, "work_mem", "64MB").await;
    assert!(text.contains("would put that into force"), "{text}");
    prepare_once_loaded(&server, "work_mem", "64MB").await;
}

#[tokio::test]
async fn a_role_without_rights_is_refused_and_one_with_just_the_grants_restores() {
    let Some(server) = OwnServer::start("").await else { return };
    server.run(&["CREATE ROLE app LOGIN"]).await;
    let before = server.state().await;
    let app = server.connect_as("app").await;
    let text = refused(&app, "work_mem", "64MB").await;
    for part in ["`pg_reload_conf()`", "`pg_show_all_file_settings()`"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    server
        .run(&[
            "GRANT EXECUTE ON FUNCTION pg_reload_conf() TO app",
            "GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO app",
            "GRANT SELECT ON pg_file_settings TO app",
        ])
        .await;
    let text = refused(&app, "work_mem", "64MB").await;
    assert!(text.contains("no right to change `work_mem`"), "{text}");
    if server.target.server_version_num() < 150_000 {
        return;
    }
    server.run(&["GRANT ALTER SYSTEM ON PARAMETER work_mem TO app"]).await;
    let step = prepare(&app, "work_mem", "64MB").await.unwrap();
    assert!(ConfigChangePostgres.facts(&step).undo.contains("this role cannot read it"));
    let cx = step_context(&prepare_context(1));
    let mut session = ConfigChangePostgres.arm(&cx, &app, &step).await.unwrap();
    let effect = ConfigChangePostgres.inject(&cx, &app, &step, &mut session).await.unwrap();
    assert_eq!(effect.0["after"], "64MB");
    ConfigChangePostgres.revert(&cx, &app, &step).await.unwrap();
    assert_same(&before, &server.state().await);
}

#[tokio::test]
async fn a_step_survives_the_journal() {
    let Some(server) = OwnServer::start("").await else { return };
    let step = prepare(&server.target, "work_mem", "64MB").await.unwrap();
    let text = serde_json::to_string(&step).unwrap();
    assert_eq!(serde_json::from_str::<ConfigChangeStep>(&text).unwrap(), step);
}
