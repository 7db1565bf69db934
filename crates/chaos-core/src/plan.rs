//! What will be done: complete before anything happens, and readable by people, policy and the journal.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::StepFacts;
use crate::id::{RunId, StepId};
use crate::target::TargetIdentity;

/// Everything that one run will do, before review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The run.
    pub run: RunId,
    /// The seed all random choices of the run derive from.
    pub seed: u64,
    /// The experiments, in the order they will run.
    pub experiments: Vec<ExperimentPlan>,
}

/// What one experiment will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentPlan {
    /// Its name.
    pub name: String,
    /// How long its faults are held, in milliseconds in the serialised form.
    #[serde(rename = "hold_ms", with = "millis")]
    pub hold: Duration,
    /// Whether its faults are injected side by side.
    pub parallel: bool,
    /// What it acts on.
    pub target: TargetRef,
    /// Its steps, in order.
    pub steps: Vec<PlannedStep>,
}

/// How to find a target again, without any secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetRef {
    /// The kind of target, as in `target:` of an experiment.
    pub kind: String,
    /// Who it was when the plan was made.
    pub identity: TargetIdentity,
    /// Its `target_config` as written, literal secrets taken out, references (`${VAR}`, `file:`) left in.
    pub config: Value,
    /// The file that the full configuration stands in, absolute; a recovery reads it again for what `config` leaves out.
    pub file: Option<PathBuf>,
    /// The place of the experiment in that file, from 0.
    pub index: usize,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its number in the run.
    pub id: StepId,
    /// The fault: `db.insert_load`.
    pub fault: String,
    /// What will be done to what, in one line.
    pub summary: String,
    /// What people and policy must know of it.
    pub facts: StepFacts,
    /// The step itself, as its fault wrote it.
    pub step: Value,
}

/// Durations as whole milliseconds.
pub mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes a duration as milliseconds; what does not fit is cut to the largest number.
    ///
    /// # Errors
    /// As the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads milliseconds.
    ///
    /// # Errors
    /// As the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
