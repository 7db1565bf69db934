//! Connecting to a real PostgreSQL: who it is, what it refuses, and what a session has pinned.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

mod common;

use std::time::{Duration, Instant};

use chaos_core::{FaultError, Target};
use chaos_db::postgres::{Fence, Helper, PgTarget};
use common::{Scratch, config, prepare_context, server, url_of};

async fn refusal(url: &str) -> FaultError {
    PgTarget::connect(&config(url)).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn a_target_knows_who_it_is_and_never_shows_the_password() {
    let Some(target) = server().await else { return };
    let identity = target.identity();
    assert!(identity.product.starts_with("PostgreSQL 1"), "{}", identity.product);
    assert!(identity.fingerprint.starts_with("pg:"), "{}", identity.fingerprint);
    assert!(!identity.label.contains("chaos:chaos"), "{}", identity.label);
}

#[tokio::test]
async fn a_refused_port_fails_at_once() {
    let started = Instant::now();
    let error = refusal("postgres://u:hunter2@127.0.0.1:1/d").await;
    assert!(started.elapsed() < Duration::from_secs(4));
    assert!(matches!(error, FaultError::Unreachable(_)), "{error:?}");
    assert!(error.hint().unwrap().contains("nothing listens"), "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_when_the_url_says() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let started = Instant::now();
    let error = refusal(&format!("postgres://u@127.0.0.1:{port}/d?sslmode=disable&connect_timeout=1")).await;
    // That to connect, and what is usual to log in.
    assert!(error.chain().contains("within 6 s"), "{}", error.chain());
    assert!(started.elapsed() >= Duration::from_secs(6));
}

#[tokio::test]
async fn wrong_password_missing_database_and_missing_password_each_have_their_own_message() {
    if server().await.is_none() {
        return;
    }
    let url = url::Url::parse(&url_of("postgres")).unwrap();
    let place = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let error = refusal(&format!("postgres://chaos:wrong@{place}/postgres")).await;
    assert!(error.hint().unwrap().contains("password is wrong"), "{}", error.chain());
    assert!(matches!(error, FaultError::Target(_)));
    let error = refusal(&url_of("no_such_database")).await;
    assert!(error.to_string().contains("no_such_database"), "{}", error.chain());
    assert!(error.hint().unwrap().contains("no database of this name"), "{}", error.chain());
    let error = refusal(&format!("postgres://chaos@{place}/postgres")).await;
    assert!(error.to_string().contains("without a password"), "{}", error.chain());
    let error = refusal(&format!("{}?sslmode=verify-full", url_of("postgres"))).await;
    assert!(error.hint().is_some_and(|hint| hint.contains("sslmode")), "{}", error.chain());
}

#[tokio::test]
async fn dropping_a_session_ends_it_on_the_server_even_in_the_middle_of_a_statement() {
    let Some(scratch) = Scratch::new("").await else { return };
    let session = scratch.target.session().await.unwrap();
    let pid = session.backend_pid;
    assert!(pid > 0);
    session.begin().await.unwrap();
    drop(session);
    let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    for _ in 0..500 {
        if scratch.value(&gone).await == "0" {
            return scratch.drop().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the session is still there");
}

#[tokio::test]
async fn an_undo_ends_the_session_that_still_holds_the_fence() {
    let Some(scratch) = Scratch::new("").await else { return };
    let fence = Fence::choose("a_test", 1);
    let inject = scratch.target.session().await.unwrap();
    inject.begin().await.unwrap();
    fence.take_in_transaction(&inject).await.unwrap();

    let undo = scratch.target.session().await.unwrap();
    assert_eq!(fence.holders(&undo).await.unwrap(), [inject.backend_pid]);
    undo.begin().await.unwrap();
    fence.take_for_undo(&undo).await.unwrap();
    assert!(fence.holders(&undo).await.unwrap().is_empty());
    assert!(inject.commit().await.is_err());
    scratch.drop().await;
}

#[tokio::test]
async fn the_marker_proves_a_commit_and_its_schema_goes_without_residue() {
    let Some(scratch) = Scratch::new("").await else { return };
    let before = scratch.checksum().await;
    let helper = Helper::choose(&prepare_context(1), 1);
    let session = scratch.target.session().await.unwrap();
    assert_eq!(helper.read(&session).await.unwrap(), None);

    session.begin().await.unwrap();
    helper.fence.take_in_transaction(&session).await.unwrap();
    let xid = helper.create(&session).await.unwrap();
    helper.set_rows(&session, 5).await.unwrap();
    session.commit().await.unwrap();

    let marker = helper.read(&session).await.unwrap().unwrap();
    assert_eq!((marker.xid, marker.rows, marker.undone), (xid, 5, 0));
    helper.drop(&session, &[]).await.unwrap();
    helper.drop(&session, &[]).await.unwrap();
    assert_eq!(helper.read(&session).await.unwrap(), None);
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn a_helper_schema_that_somebody_else_uses_is_not_dropped() {
    let Some(scratch) = Scratch::new("").await else { return };
    let helper = Helper::choose(&prepare_context(2), 1);
    let session = scratch.target.session().await.unwrap();
    session.begin().await.unwrap();
    helper.create(&session).await.unwrap();
    session.commit().await.unwrap();
    scratch.run(&format!("CREATE TABLE {}.theirs (a int)", helper.schema)).await;
    assert!(helper.drop(&session, &[]).await.is_err());
    assert!(helper.read(&session).await.unwrap().is_some());
    scratch.drop().await;
}

/// The certificate of the test server, in a file; `None` where the server has none that is its own authority.
async fn certificate() -> Option<tempfile::NamedTempFile> {
    let target = server().await?;
    let session = target.session().await.unwrap();
    let sql = "SELECT CASE current_setting('ssl') WHEN 'on' THEN pg_read_file(current_setting('ssl_cert_file')) END";
    let rows = session.simple("read the certificate", sql).await.unwrap();
    let Some(text) = rows[0].get(0) else {
        println!("SKIPPED: the PostgreSQL server has no TLS");
        return None;
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Some(file)
}

async fn is_encrypted(parameters: &str) -> String {
    let target = match PgTarget::connect(&config(format!("{}?{parameters}", url_of("postgres")))).await {
        Ok(target) => target,
        Err(error) => return format!("{} | {}", error.chain(), error.hint().unwrap_or_default()),
    };
    let session = target.session().await.unwrap();
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    session.simple("ask", sql).await.unwrap()[0].get(0).unwrap().to_owned()
}

#[tokio::test]
async fn every_sslmode_means_what_it_says() {
    let Some(file) = certificate().await else { return };
    let root = format!("sslrootcert={}", file.path().display());
    assert_eq!(is_encrypted("sslmode=disable").await, "f");
    assert_eq!(is_encrypted("sslmode=allow").await, "f");
    for mode in ["sslmode=prefer", "sslmode=require"] {
        assert_eq!(is_encrypted(mode).await, "t", "{mode}");
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        assert_eq!(is_encrypted(&format!("sslmode={mode}&{root}")).await, "t", "{mode}");
    }
    // An authority that the machine does not know, another name, and no file at all.
    assert!(is_encrypted("sslmode=verify-ca").await.contains("sslrootcert"));
    let missing = is_encrypted("sslmode=verify-full&sslrootcert=/no/such/file").await;
    assert!(missing.contains("/no/such/file"), "{missing}");
}

#[tokio::test]
async fn a_name_that_the_certificate_does_not_have_is_refused_only_by_verify_full() {
    let Some(file) = certificate().await else { return };
    // Another address of this machine, which the certificate does not name.
    let url = url_of("postgres");
    let Some(other) = url.contains("@127.0.0.1:").then(|| url.replace("@127.0.0.1:", "@other.test:")) else {
        return;
    };
    let at = |mode: &str| {
        format!("{other}?sslmode={mode}&sslrootcert={}&hostaddr=127.0.0.1", file.path().display())
    };
    PgTarget::connect(&config(at("verify-ca"))).await.map(drop).unwrap();
    let error = refusal(&at("verify-full")).await;
    assert!(matches!(error, FaultError::Target(_)), "{}", error.chain());
    assert!(error.hint().unwrap().contains("sslmode"), "{}", error.chain());
}

#[tokio::test]
async fn a_socket_directory_that_is_not_there_fails_at_once() {
    let error = refusal("postgres://u:p@%2Fno%2Fsuch%2Fdirectory/d").await;
    assert!(matches!(error, FaultError::Unreachable(_)), "{}", error.chain());
}
