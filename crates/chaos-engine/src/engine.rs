//! The engine as the surfaces see it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chaos_core::{Catalog, Clock};
use serde_json::Value;

use crate::events::EventSink;
use crate::state_dir::StateDir;

/// What may be chosen about how the engine works. The defaults are right for people.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The program to start as guardian, with `__guardian` as its only argument; `None`: no guardian.
    pub guardian: Option<PathBuf>,
    /// Start over a target even when an earlier run has left something there.
    pub over_dirty: bool,
    /// The longest that connecting and preparing one experiment may take.
    pub prepare_max: Duration,
    /// The longest that one inject may take. Inserting a hundred million rows takes minutes.
    pub inject_max: Duration,
    /// How long a step is tried to be undone while its target does not answer, before it is called stuck.
    pub rollback_patience: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            guardian: None,
            over_dirty: false,
            prepare_max: Duration::from_secs(300),
            inject_max: Duration::from_secs(3600),
            rollback_patience: Duration::from_secs(120),
        }
    }
}

/// Where a configuration stands that a recovery reads again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigPlace<'a> {
    /// The file.
    pub file: &'a Path,
    /// The place of the experiment in it, from 0.
    pub index: usize,
    /// The name of the experiment. Where the file was changed since, it tells more than the place; where the journal has lost
    /// it, the place decides: an undo never touches a target that is not the one of the run.
    pub experiment: Option<&'a str>,
    /// The name below `targets:`; empty where the experiment had one `target`.
    pub target: &'a str,
}

/// A configuration as it stands in a file.
#[derive(Clone)]
pub struct FoundConfig {
    /// With references resolved: may hold secrets.
    pub config: Value,
    /// As written.
    pub as_written: Value,
}

/// Reads configurations again, for a recovery. The surface that read them first knows how.
pub trait ConfigLoader: Send + Sync + 'static {
    /// Returns the `target_config` at `place`. The error is a clause: why it cannot be had, without secrets.
    fn load(&self, place: &ConfigPlace<'_>) -> Result<FoundConfig, String>;

    /// Resolves the references (`${VAR}`, `file:`) of a configuration that a journal kept.
    fn resolve(&self, config: &Value) -> Result<Value, String>;
}

/// Runs experiments and undoes them.
pub struct Engine {
    pub(crate) catalog: Catalog,
    pub(crate) state: StateDir,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) loader: Arc<dyn ConfigLoader>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: EngineOptions,
}

impl Engine {
    /// Makes an engine over everything that `catalog` can do, with its journals in `state`.
    pub fn new(
        catalog: Catalog,
        state: StateDir,
        events: Arc<dyn EventSink>,
        loader: Arc<dyn ConfigLoader>,
        clock: Arc<dyn Clock>,
        options: EngineOptions,
    ) -> Self {
        Self { catalog, state, events, loader, clock, options }
    }

    /// Returns where the journals are.
    pub fn state(&self) -> &StateDir {
        &self.state
    }
}
