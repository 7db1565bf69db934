//! `db.table_lock` on SQLite: holds the write lock of the whole file, which ends with our process and at a deadline.
//!
//! SQLite locks files, not tables. The modes of PostgreSQL that keep out writers become `BEGIN IMMEDIATE`; the one that
//! keeps out readers too becomes `BEGIN EXCLUSIVE`. Where the file is in WAL mode readers never wait for anybody, and the
//! step says so. Modes that do not keep out writers have no counterpart and are refused.

mod hold;

use std::fmt;
use std::time::Duration;

use chaos_core::crash::crash_point;
use chaos_core::plan::millis;
use chaos_core::{
    Access, Claim, Effect, Failure, Fault, FaultError, FaultSpec, NameKind, PrepareContext, Quantity,
    RevertOutcome, Reverted, Rope, StepContext, StepFacts, TargetName,
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

pub use self::hold::LockSession;
use super::{LockMode, Params, TableLock};
use crate::faults::on_database::DatabaseFault;
use crate::sqlite::SqliteTarget;
use crate::sqlite::error::During;
use crate::sqlite::preflight::chosen;

/// How much longer than the hold the lock may last. Other steps of the same experiment are injected in this time.
const MARGIN: Duration = Duration::from_secs(30);

/// `db.table_lock` on SQLite.
#[derive(Debug, Clone, Copy, Default)]
pub struct TableLockSqlite;

/// The lock of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The file, as other steps name it too.
    pub file: String,
    /// The tables that were asked for; the lock is on all of the file.
    pub tables: Vec<String>,
    /// Whether readers are kept out too.
    pub readers: bool,
    /// The lock ends after this time, whatever became of the run.
    #[serde(rename = "limit_ms", with = "millis")]
    pub limit: Duration,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whom = if self.readers { "readers and writers" } else { "writers; readers go on" };
        write!(f, "lock {} and with it `{}`: keeps out {whom}", self.file, self.tables.join("`, `"))
    }
}

impl Fault for TableLockSqlite {
    type Target = SqliteTarget;
    type Params = Params;
    type Step = Step;
    type Session = LockSession;

    const SPEC: FaultSpec = TableLock::SPEC;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &SqliteTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let (cx, file) = (cx.clone(), target.file());
        let limit = cx.hold + MARGIN;
        target
            .run_to_the_end(move |connection| {
                file.check_writable(connection)?;
                let readers = keeps_out_readers(connection, params.lock_mode)?;
                let tables = chosen(connection, &cx, &params.tables)?;
                if tables.is_empty() {
                    let hint = "see `resource_filters`, and `chaos discover` for what is there";
                    return Err(FaultError::Preflight(
                        Failure::new("find a table that may be locked").hint(hint),
                    ));
                }
                let tables = tables.into_iter().map(|of| of.table.qualified()).collect();
                Ok(vec![Step { file: file.resource(), tables, readers, limit }])
            })
            .await
    }

    fn facts(&self, step: &Step) -> StepFacts {
        let access = if step.readers { Access::BlockAll } else { Access::BlockWrites };
        let name = |table: &String| TargetName::new(NameKind::Table, table);
        StepFacts {
            undo: format!(
                "its transaction is rolled back; without us it ends with the process, at the latest after {} s",
                step.limit.as_secs_f64()
            ),
            rope: Rope::EndsByItself,
            claims: vec![Claim { resource: step.file.clone(), access }],
            quantity: Quantity { tables: step.tables.len() as u64, connections: 1, ..Quantity::default() },
            names: step.tables.iter().map(name).collect(),
        }
    }

    async fn arm(
        &self,
        cx: &StepContext,
        target: &SqliteTarget,
        step: &Step,
    ) -> Result<LockSession, FaultError> {
        LockSession::start(target.file(), step.readers, step.limit, cx.cancel.clone())
    }

    async fn inject(
        &self,
        _cx: &StepContext,
        _target: &SqliteTarget,
        step: &Step,
        session: &mut LockSession,
    ) -> Result<Effect, FaultError> {
        crash_point("sqlite.table_lock.before_lock");
        let tries = session.lock().await?;
        crash_point("sqlite.table_lock.locked");
        let effect = Effect::default().with("tables", step.tables.clone()).with("tries", tries);
        Ok(effect.with("keeps_out_writers", true).with("keeps_out_readers", step.readers))
    }

    async fn finish(&self, _cx: &StepContext, session: LockSession) -> Result<Option<Effect>, FaultError> {
        session.finish().await.map(Some)
    }

    async fn revert(
        &self,
        _cx: &StepContext,
        target: &SqliteTarget,
        _step: &Step,
    ) -> Result<Reverted, FaultError> {
        // The lock belongs to a session that is closed by now, or to a process that is gone: the kernel has taken it
        // back with the open file. What is read back is that the file can be opened and read.
        target
            .run_to_the_end(|connection| {
                crash_point("sqlite.table_lock.before_end");
                connection
                    .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
                    .during("read the file after the lock")?;
                Ok(Reverted::new(RevertOutcome::AlreadyUndone))
            })
            .await
    }
}

/// Returns whether a mode will keep out readers of this file.
fn keeps_out_readers(connection: &Connection, mode: LockMode) -> Result<bool, FaultError> {
    if !mode.blocks_writers() {
        let failure = Failure::new(format!("lock a table of SQLite in {mode} mode"));
        let failure = failure.source("SQLite has no lock that lets writers in");
        let hint =
            "use `EXCLUSIVE`, which keeps out writers, or `ACCESS EXCLUSIVE`, which keeps out readers too";
        return Err(FaultError::Preflight(failure.hint(hint)));
    }
    let journal: String =
        connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).during("read the journal mode")?;
    Ok(mode.blocks_readers() && journal != "wal")
}
