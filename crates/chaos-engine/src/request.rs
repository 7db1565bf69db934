//! What a person asked for, with every reference resolved.

use std::path::PathBuf;
use std::time::Duration;

use chaos_core::ResourceFilter;
use serde_json::Value;

pub use chaos_core::experiment::FaultUse;

/// One experiment that a person asked for.
#[derive(Clone)]
pub struct ExperimentRequest {
    /// Its name.
    pub name: String,
    /// What it acts on, at least one.
    pub targets: Vec<TargetRequest>,
    /// How long its faults are held.
    pub hold: Duration,
    /// Whether its faults are injected side by side.
    pub parallel: bool,
    /// Which resources may be touched.
    pub filter: ResourceFilter,
    /// The file it stands in, if it stands in one.
    pub file: Option<PathBuf>,
    /// The place of the experiment in that file, from 0.
    pub index: usize,
    /// The faults, in order.
    pub uses: Vec<FaultUse>,
}

/// One configured target of an experiment.
#[derive(Clone)]
pub struct TargetRequest {
    /// Its name below `targets:`; empty where the experiment has one `target`.
    pub name: String,
    /// The kind of target: `database`.
    pub kind: String,
    /// The `target_config` with references resolved: may hold secrets, never leaves memory but for the guardian's pipe.
    pub config: Value,
    /// The `target_config` as written.
    pub config_as_written: Value,
}

impl TargetRequest {
    /// Returns how an error calls it: `the database`, `target `shop``.
    pub(crate) fn title(&self) -> String {
        if self.name.is_empty() { format!("the {}", self.kind) } else { format!("target `{}`", self.name) }
    }
}
