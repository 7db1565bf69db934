//! What a fault is told by the engine.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::id::{RunId, StepId};

/// What a fault knows while it prepares its steps.
#[derive(Clone)]
pub struct PrepareContext {
    /// The run that asks.
    pub run: RunId,
    /// The number of this use of a fault within the run, from 1. Two uses of the same fault have two numbers.
    pub use_number: u32,
    /// The seed of every random choice of this use. The same seed on the same target makes the same steps.
    pub seed: u64,
    /// How long the fault will be held.
    pub hold: Duration,
    /// Which resources the experiment may touch at all.
    pub filter: ResourceFilter,
}

impl PrepareContext {
    /// Returns the base of every name this use gives to something on a target: `chaos_20261121_084512_k3vq_1`.
    /// A fault with more than one step appends `_1`, `_2`, … itself.
    pub fn handle(&self) -> String {
        format!("chaos_{}_{}", self.run.underscored(), self.use_number)
    }
}

/// The `resource_filters` of an experiment: regular expressions, one of which must match the name of a resource.
/// No expressions: everything may be touched.
#[derive(Debug, Clone, Default)]
pub struct ResourceFilter(Vec<Regex>);

impl ResourceFilter {
    /// Takes the expressions as they are; they match anywhere in the name unless anchored.
    pub fn new(expressions: Vec<Regex>) -> Self {
        Self(expressions)
    }

    /// Returns whether the resource `name` may be touched. Tables are asked for as `schema.table`.
    pub fn allows(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|expression| expression.is_match(name))
    }

    /// Returns whether nothing is filtered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a fault knows while one of its steps is armed, injected, finished, reverted or disarmed.
#[derive(Clone)]
pub struct StepContext {
    /// The run that the step belongs to.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// How long the fault will be held. In a recovery this is what was planned.
    pub hold: Duration,
    /// Set when the run shall stop. Never set during revert and disarm.
    pub cancel: CancellationToken,
    /// Where to say how far the work is.
    pub progress: Progress,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether it is known that the step acted and was not undone since. A revert that finds no trace of such a step must
    /// not say that there was nothing to do: somebody has removed the trace. False in doubt, and before the revert.
    pub has_acted: bool,
}

/// Receives how far a step is. Calls must be cheap; they come from inside hot loops.
pub trait ProgressSink: Send + Sync + 'static {
    /// `done` of `total` units (rows, queries) of `step` are done.
    fn progress(&self, step: StepId, unit: &'static str, done: u64, total: u64);
}

/// How a step says how far it is.
#[derive(Clone)]
pub struct Progress {
    step: StepId,
    sink: Option<Arc<dyn ProgressSink>>,
}

impl Progress {
    /// Reports for `step` to `sink`.
    pub fn new(step: StepId, sink: Arc<dyn ProgressSink>) -> Self {
        Self { step, sink: Some(sink) }
    }

    /// Reports to nobody.
    pub fn none() -> Self {
        Self { step: StepId(0), sink: None }
    }

    /// Says that `done` of `total` units (`"rows"`, `"queries"`) are done.
    pub fn report(&self, unit: &'static str, done: u64, total: u64) {
        if let Some(sink) = &self.sink {
            sink.progress(self.step, unit, done, total);
        }
    }
}
