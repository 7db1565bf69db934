//! Writes the journal of a dead run again from its plan, when somebody removed or emptied it while the run lived.
//!
//! Which steps have acted is not known then, so every step counts as intended. Undoing one that never acted does nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chaos_core::erased::BoxFuture;
use chaos_core::record::Undoer;
use chaos_core::{Plan, Record, RecordBody};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::journal::{Journal, JournalContents, JournalError, LockError, format, read, space};
use crate::recover::{Credentials, RecoverOptions, RecoverOutcome};

/// A journal of a run that has no place for one: the undo goes on without.
struct Nowhere;

impl Journal for Nowhere {
    fn append(&self, _body: RecordBody) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Engine {
    /// Undoes a dead run of which the plan is known, whatever became of its journal.
    ///
    /// # Errors
    /// When another process has the lock of the run.
    pub async fn undo_planned(
        &self,
        plan: &Plan,
        by: Undoer,
        credentials: &Credentials,
    ) -> Result<RecoverOutcome, EngineError> {
        let options = RecoverOptions::default();
        let recovered = match self.restore(plan, by).await {
            Ok(()) => self.recover_as(&plan.run, &options, by, credentials).await,
            Err(error) => Err(error),
        };
        match recovered {
            Ok(outcome) => Ok(outcome),
            // Two undoing the same would be worse than waiting for `chaos recover`.
            Err(EngineError::Lock(error @ (LockError::Held(_) | LockError::Elsewhere(_)))) => {
                Err(EngineError::Lock(error))
            }
            Err(error) => {
                tracing::error!(%error, "The run is undone without a journal.");
                let journal = std::sync::Arc::new(Nowhere);
                let records = self.records_of(plan, Vec::new());
                let contents = JournalContents { records, ..JournalContents::default() };
                Ok(self.recover_on(journal, &contents, &plan.run, &options, by, credentials).await)
            }
        }
    }

    /// Writes the journal again, unless the one that is there holds the plan.
    async fn restore(&self, plan: &Plan, by: Undoer) -> Result<(), EngineError> {
        self.state.create()?;
        let lock = self.lock_for_undo(&plan.run, by).await?;
        let path = self.state.journal(&plan.run);
        let restored = self.restore_at(&path, plan);
        lock.release();
        restored.map_err(|source| EngineError::ReadJournal { path, source })
    }

    fn restore_at(&self, path: &Path, plan: &Plan) -> io::Result<()> {
        let kept = match read(path) {
            Ok(contents) => contents.records,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        if kept.iter().any(|record| matches!(record.body, RecordBody::Planned { .. })) {
            return Ok(());
        }
        let mut text = Vec::new();
        for (place, record) in self.records_of(plan, kept).iter().enumerate() {
            text.extend(format::encode(place as u64 + 1, record)?);
        }
        replace(path, &text)
    }

    /// The head of a journal in which every step of the plan may have acted, and behind it what is still known.
    fn records_of(&self, plan: &Plan, kept: Vec<Record>) -> Vec<Record> {
        let at = kept.first().map_or_else(|| self.clock.now(), |record| record.at);
        let chaos = env!("CARGO_PKG_VERSION").to_owned();
        let mut bodies = vec![
            RecordBody::Opened { version: format::VERSION, run: plan.run.clone(), chaos },
            RecordBody::Planned { plan: plan.clone() },
        ];
        for (place, experiment) in plan.experiments.iter().enumerate() {
            bodies.extend(experiment.steps.iter().filter_map(|planned| {
                let target = Box::new(experiment.target_of(planned)?.clone());
                Some(RecordBody::Intended { experiment: place, target, planned: Box::new(planned.clone()) })
            }));
        }
        let head = bodies.into_iter().map(|body| Record { at, body });
        let rest = kept.into_iter().filter(|record| !matches!(record.body, RecordBody::Opened { .. }));
        head.chain(rest).collect()
    }
}

/// Puts a file in place as a whole or not at all: half a restored journal would look like one with nothing left.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("restored");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text)?;
    // All that is known stands in it: it is none that was cut.
    space::keep_behind(&file, &beside, text.len() as u64);
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
