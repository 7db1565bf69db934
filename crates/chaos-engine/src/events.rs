//! What a run tells while it goes on.

use chaos_core::{RecordBody, StepId};

/// Something that people who watch want to know.
#[derive(Debug)]
pub enum EngineEvent<'a> {
    /// A record was written. Everything that happens to a step is told this way, even when the disk is full.
    Recorded(&'a RecordBody),
    /// A step did `done` of `total` units.
    Progress {
        /// The step.
        step: StepId,
        /// What is counted: rows, queries.
        unit: &'static str,
        /// How many are done.
        done: u64,
        /// How many there will be.
        total: u64,
    },
    /// Something worth a line that is no part of the run's history.
    Notice(String),
}

/// Receives what a run tells. Calls must be cheap and must not block.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one event.
    fn event(&self, event: EngineEvent<'_>);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn event(&self, _event: EngineEvent<'_>) {}
}
