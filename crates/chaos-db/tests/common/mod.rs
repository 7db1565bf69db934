//! What live tests share: a database of their own on the test server, checksums, contexts.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "every test file uses its own part; a test ends where something is off"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chaos_core::{PrepareContext, Progress, ResourceFilter, RunId, StepContext, StepId, SystemClock};
use chaos_db::config::{DbConfig, DbType};
use chaos_db::postgres::{PgSession, PgTarget};
use tokio_util::sync::CancellationToken;

/// The server that live tests use unless told otherwise.
const DEFAULT_URL: &str = "postgres://chaos:chaos@127.0.0.1:55432/postgres";

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Returns the URL of the test server with another database, and what else the URL says.
pub fn url_of(database: &str) -> String {
    let url = std::env::var("CHAOS_TEST_POSTGRES").unwrap_or_else(|_| DEFAULT_URL.to_owned());
    let mut url = url::Url::parse(&url).unwrap();
    url.set_path(database);
    url.into()
}

/// Returns a configuration for this URL.
pub fn config(url: impl Into<String>) -> DbConfig {
    DbConfig { connection_url: url.into(), db_type: DbType::Postgres, schemas: Vec::new() }
}

/// Connects to the test server, or says that the test is skipped.
pub async fn server() -> Option<PgTarget> {
    let url = std::env::var("CHAOS_TEST_POSTGRES").unwrap_or_else(|_| DEFAULT_URL.to_owned());
    match PgTarget::connect(&config(url)).await {
        Ok(target) => Some(target),
        Err(error) if std::env::var("CHAOS_TEST_REQUIRE").is_ok_and(|value| value == "1") => {
            panic!("PostgreSQL is required: {}", error.chain())
        }
        Err(_) => {
            println!("SKIPPED: PostgreSQL is not up");
            None
        }
    }
}

/// A database of one test. [`Scratch::drop`] removes it; one that a failed test leaves behind is removed by the next
/// test process.
pub struct Scratch {
    /// Its name.
    pub name: String,
    /// The target that the test acts on.
    pub target: PgTarget,
    admin: PgTarget,
}

impl Scratch {
    /// Makes a database and runs `sql` in it.
    pub async fn new(sql: &str) -> Option<Self> {
        let admin = server().await?;
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("a_test_{}_{number}", std::process::id());
        let session = admin.session().await.unwrap();
        remove_leftovers(&session).await;
        session.batch("create", &format!("CREATE DATABASE {name}")).await.unwrap();
        let target = PgTarget::connect(&config(url_of(&name))).await.unwrap();
        let scratch = Self { name, target, admin };
        scratch.run(sql).await;
        Some(scratch)
    }

    /// Runs statements as an application would.
    pub async fn run(&self, sql: &str) {
        let session = self.target.session().await.unwrap();
        session.batch("prepare the session", "SET search_path TO public").await.unwrap();
        if let Err(error) = session.batch("run", sql).await {
            panic!("{}: {sql}", error.chain());
        }
        session.close().await;
    }

    /// Returns the first value of a query as text.
    pub async fn value(&self, sql: &str) -> String {
        let session = self.target.session().await.unwrap();
        session.batch("prepare the session", "SET search_path TO public").await.unwrap();
        let rows = session.simple("ask", sql).await.unwrap();
        rows.first().and_then(|row| row.get(0)).unwrap_or("NULL").to_owned()
    }

    /// Returns a checksum over every row of every table, and the list of schemas and tables.
    pub async fn checksum(&self) -> String {
        let session = self.target.session().await.unwrap();
        checksum(&session).await
    }

    /// Removes the database.
    pub async fn drop(self) {
        let session = self.admin.session().await.unwrap();
        let end =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        session.batch("end sessions", &end).await.unwrap();
        // A session that was just ended may hold the database for a moment.
        let drop = format!("DROP DATABASE IF EXISTS {}", self.name);
        for _ in 0..50 {
            if session.batch("drop", &drop).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("`{}` cannot be dropped", self.name);
    }
}

/// Removes the databases of test processes that are no more.
async fn remove_leftovers(session: &PgSession) {
    let sql = "SELECT datname FROM pg_database WHERE datname LIKE 'a\\_test\\_%'";
    for row in session.simple("list databases", sql).await.unwrap() {
        let name = row.get(0).unwrap();
        let pid = name.split('_').nth(2).unwrap_or_default();
        if !std::path::Path::new("/proc").join(pid).exists() {
            // Another test process may be faster.
            let _ = session.batch("drop", &format!("DROP DATABASE IF EXISTS {name}")).await;
        }
    }
}

async fn checksum(session: &PgSession) -> String {
    let tables = session
        .simple(
            "list tables",
            "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' \
             AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%' \
             ORDER BY 1",
        )
        .await
        .unwrap();
    let mut text = String::new();
    for table in tables.iter().filter_map(|row| row.get(0)) {
        let sql = format!(
            "SELECT count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint), 0) FROM {table} t"
        );
        let rows = session.simple("checksum", &sql).await.unwrap();
        text.push_str(&format!("{table} {} {}\n", rows[0].get(0).unwrap(), rows[0].get(1).unwrap()));
    }
    let schemas =
        session.simple("list schemas", "SELECT nspname FROM pg_namespace ORDER BY 1").await.unwrap();
    for schema in schemas.iter().filter_map(|row| row.get(0)).filter(|name| name.starts_with("chaos_")) {
        text.push_str(&format!("schema {schema}\n"));
    }
    text
}

/// What a fault is told while it prepares.
pub fn prepare_context(use_number: u32) -> PrepareContext {
    PrepareContext {
        run: RunId::new(jiff::Timestamp::now(), use_number.wrapping_mul(7919)),
        use_number,
        seed: 42,
        hold: Duration::from_secs(1),
        filter: ResourceFilter::default(),
    }
}

/// What a fault is told while a step runs.
pub fn step_context(prepare: &PrepareContext) -> StepContext {
    StepContext {
        run: prepare.run.clone(),
        step: StepId(1),
        hold: prepare.hold,
        cancel: CancellationToken::new(),
        progress: Progress::none(),
        clock: Arc::new(SystemClock),
        has_acted: false,
    }
}
