//! A scratch file, its checksum, and the calls that the engine makes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chaos_core::{
    Effect, Fault, FaultError, PrepareContext, Progress, ResourceFilter, Reverted, RunId, StepContext,
    StepId, SystemClock,
};
use chaos_db::config::{DbConfig, DbType};
use chaos_db::sqlite::SqliteTarget;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A shop with every kind of table that SQLite has.
pub const SHOP: &str = r#"
    CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email VARCHAR(80) NOT NULL UNIQUE, name TEXT,
        status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'gone')), score REAL CHECK (score >= 0),
        avatar BLOB, created_at DATETIME);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
        total DECIMAL(10, 2) CHECK (total > 0), note TEXT, doubled AS (total * 2));
    CREATE TABLE "odd ""name" ("select" TEXT COLLATE NOCASE, "a b" INTEGER, anything, PRIMARY KEY ("select", "a b"))
        WITHOUT ROWID;
    CREATE TABLE strict_one (key TEXT PRIMARY KEY NOT NULL, amount INT, free ANY) STRICT;
    INSERT INTO users (email, name, status, score, avatar, created_at)
        SELECT 'u' || value || '@example.com', CASE value % 3 WHEN 0 THEN NULL ELSE 'O''Brien ' || value END, 'active',
            value, CASE value % 4 WHEN 0 THEN x'00ff27' END, '2024-01-01 00:00:00' FROM generate_series(1, 200);
    INSERT INTO orders (user_id, total, note) SELECT value, value + 0.5, 'x' || char(10) || 'y' FROM generate_series(1, 200);
    INSERT INTO "odd ""name" SELECT 'Key' || value, value, CASE value % 5 WHEN 0 THEN 1 WHEN 1 THEN 1.0 WHEN 2 THEN '1'
        WHEN 3 THEN x'31' END FROM generate_series(1, 100);
    INSERT INTO strict_one SELECT 'k' || value, value, CASE value % 2 WHEN 0 THEN 1.0 ELSE 1 END
        FROM generate_series(1, 50);
"#;

pub struct World {
    directory: TempDir,
    pub target: SqliteTarget,
}

impl World {
    pub async fn shop() -> Self {
        Self::new(SHOP).await
    }

    pub async fn new(sql: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("shop.db")).unwrap();
        // The bundled library has no `generate_series`.
        let series = "(WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM s WHERE value < ";
        let mut text = sql.to_owned();
        while let Some(start) = text.find("generate_series(1, ") {
            let end = start + text[start..].find(')').unwrap();
            let count = text[start + "generate_series(1, ".len()..end].to_owned();
            text.replace_range(start..=end, &format!("{series}{count}) SELECT value FROM s)"));
        }
        connection.execute_batch(&text).unwrap();
        drop(connection);
        let target = connect(directory.path().join("shop.db").to_str().unwrap()).await.unwrap();
        Self { directory, target }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("shop.db")
    }

    /// A connection as an application has it.
    pub fn app(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }

    pub fn sql(&self, sql: &str) {
        self.app().execute_batch(sql).unwrap();
    }

    pub fn value(&self, sql: &str) -> String {
        self.app()
            .query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    }

    pub fn count(&self, table: &str) -> i64 {
        self.app().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    /// Every value of every table with its storage class, the schema, and the numbers of AUTOINCREMENT.
    pub fn dump(&self) -> Vec<String> {
        let connection = self.app();
        let list = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        let mut dump =
            list("SELECT type || ' ' || name || ' ' || ifnull(sql, '') FROM sqlite_schema ORDER BY 1");
        for table in list("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1") {
            let quoted = table.replace('"', "\"\"");
            let columns =
                list(&format!("SELECT name FROM pragma_table_xinfo('{}')", table.replace('\'', "''")));
            let values: Vec<String> = columns
                .iter()
                .map(|column| column.replace('"', "\"\""))
                .map(|column| format!("typeof(\"{column}\") || quote(\"{column}\")"))
                .collect();
            dump.push(table);
            dump.extend(list(&format!("SELECT {} FROM \"{quoted}\" ORDER BY 1", values.join(" || '|' || "))));
        }
        assert_eq!(list("PRAGMA integrity_check"), ["ok"]);
        assert!(list("SELECT \"table\" FROM pragma_foreign_key_check").is_empty());
        dump
    }
}

pub async fn connect(url: &str) -> Result<SqliteTarget, FaultError> {
    let config = DbConfig { connection_url: url.to_owned(), db_type: DbType::Sqlite, schemas: Vec::new() };
    SqliteTarget::connect(&config).await
}

pub fn prepare_context(use_number: u32) -> PrepareContext {
    PrepareContext {
        run: "20261121-084512-k3vq".parse::<RunId>().unwrap(),
        use_number,
        seed: 42,
        hold: Duration::from_secs(1),
        filter: ResourceFilter::default(),
    }
}

pub fn step_context() -> StepContext {
    StepContext {
        run: "20261121-084512-k3vq".parse().unwrap(),
        step: StepId(1),
        hold: Duration::from_secs(1),
        cancel: CancellationToken::new(),
        progress: Progress::none(),
        clock: Arc::new(SystemClock),
        has_acted: false,
    }
}

/// One use of a fault, from prepare to disarm, with its steps taken through JSON as the journal does.
pub struct Use<F: Fault> {
    pub fault: F,
    pub steps: Vec<F::Step>,
}

impl<F: Fault<Target = SqliteTarget>> Use<F> {
    pub async fn prepare(fault: F, world: &World, number: u32, params: Value) -> Result<Self, FaultError> {
        let params = serde_json::from_value(params).unwrap();
        let steps = fault.prepare(&prepare_context(number), &world.target, params).await?;
        let through_json = |step: &F::Step| serde_json::from_value(json!(step)).unwrap();
        let steps = steps.iter().map(through_json).collect();
        Ok(Self { fault, steps })
    }

    pub async fn inject(&self, world: &World) -> Result<Vec<Effect>, FaultError> {
        let mut effects = Vec::new();
        for step in &self.steps {
            let cx = step_context();
            let mut session = self.fault.arm(&cx, &world.target, step).await?;
            effects.push(self.fault.inject(&cx, &world.target, step, &mut session).await?);
        }
        Ok(effects)
    }

    /// Reverts, newest first, and disarms what has no conflicts, as the engine does.
    pub async fn revert(&self, world: &World) -> Vec<Reverted> {
        let mut all = Vec::new();
        for step in self.steps.iter().rev() {
            let reverted = self.fault.revert(&step_context(), &world.target, step).await.unwrap();
            if reverted.conflicts_total == 0 {
                self.fault.disarm(&step_context(), &world.target, step).await.unwrap();
            }
            all.push(reverted);
        }
        all
    }

    pub async fn accept(&self, world: &World) {
        for step in &self.steps {
            self.fault.disarm(&step_context(), &world.target, step).await.unwrap();
        }
    }
}

/// Prepares and expects a refusal.
pub async fn refused<F: Fault<Target = SqliteTarget>>(fault: F, world: &World, params: Value) -> String {
    match Use::prepare(fault, world, 1, params).await {
        Ok(_) => panic!("it was not refused"),
        Err(error) => format!("{} ({})", error.chain(), error.hint().unwrap_or("no hint")),
    }
}
