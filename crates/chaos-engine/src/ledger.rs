//! The journal with its watchers: what is written is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chaos_core::{ProgressSink, RecordBody, StepId};

use crate::events::{EngineEvent, EventSink};
use crate::journal::{Journal, JournalError};

/// Writes records and tells about them.
#[derive(Clone)]
pub struct Ledger {
    journal: Arc<dyn Journal>,
    events: Arc<dyn EventSink>,
    has_lost: Arc<AtomicBool>,
}

impl Ledger {
    /// Joins a journal and its watcher.
    pub fn new(journal: Arc<dyn Journal>, events: Arc<dyn EventSink>) -> Self {
        Self { journal, events, has_lost: Arc::default() }
    }

    /// Writes a record that must be durable before the next thing happens.
    ///
    /// # Errors
    /// When it is not durable: then the next thing must not happen.
    pub async fn must(&self, body: RecordBody) -> Result<(), JournalError> {
        self.journal.append(body.clone()).await?;
        self.events.event(EngineEvent::Recorded(&body));
        Ok(())
    }

    /// Writes a record of something that has happened. A full disk must not stop a rollback, so a failure is only logged
    /// and remembered: the undo is idempotent, and whoever recovers later will find it done.
    pub async fn note(&self, body: RecordBody) {
        if let Err(error) = self.journal.append(body.clone()).await {
            self.has_lost.store(true, Ordering::Relaxed);
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, source, "A record was lost; the run will look unfinished until `chaos recover`.");
        }
        self.events.event(EngineEvent::Recorded(&body));
    }

    /// Returns whether a record was lost, so that the journal may say less than what was done.
    pub fn has_lost(&self) -> bool {
        self.has_lost.load(Ordering::Relaxed)
    }

    /// Tells something that is no part of the run's history.
    pub fn notice(&self, text: impl Into<String>) {
        self.events.event(EngineEvent::Notice(text.into()));
    }

    /// Returns a sink for the progress of steps.
    pub fn progress(&self) -> Arc<dyn ProgressSink> {
        Arc::new(ProgressOf(self.events.clone()))
    }
}

struct ProgressOf(Arc<dyn EventSink>);

impl ProgressSink for ProgressOf {
    fn progress(&self, step: StepId, unit: &'static str, done: u64, total: u64) {
        self.0.event(EngineEvent::Progress { step, unit, done, total });
    }
}
