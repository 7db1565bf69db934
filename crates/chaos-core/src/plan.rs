//! What will be done: complete before anything happens, and readable by people, policy and the journal.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
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
    /// What it acts on. Journals of version 1 hold one target, and call it `target`.
    #[serde(alias = "target", deserialize_with = "one_or_many")]
    pub targets: Vec<TargetRef>,
    /// Members of its targets that did not answer, and are left out because that is allowed; why, in one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// What else people should know of its targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Its steps, in order.
    pub steps: Vec<PlannedStep>,
}

impl ExperimentPlan {
    /// Returns what a step of this experiment acts on; `None` only where a journal is damaged.
    pub fn target_of(&self, step: &PlannedStep) -> Option<&TargetRef> {
        self.targets.get(step.target)
    }
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
    /// Its name below `targets:`; empty where the experiment has one `target`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Which of the systems of its configuration it is; empty where that stands for one system only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub member: String,
    /// How many systems of its configuration may be worked on at once; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<usize>,
}

impl TargetRef {
    /// Returns how people tell it from the other targets of its experiment: `web/host-1`, `web`, or its label where it has
    /// no name.
    pub fn title(&self) -> String {
        match (self.name.as_str(), self.member.as_str()) {
            ("", "") => self.identity.label.clone(),
            ("", name) | (name, "") => name.to_owned(),
            (name, member) => format!("{name}/{member}"),
        }
    }
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
    /// The place of what it acts on among the targets of its experiment.
    #[serde(default)]
    pub target: usize,
    /// The wave it belongs to: all steps of one use of a fault, on whatever members. Waves act in order and are undone newest
    /// first; the steps of one wave on several targets go side by side. Counted over the run.
    #[serde(default)]
    pub wave: u32,
}

/// Reads a list of targets, or the one target that older versions wrote.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TargetRef>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        Many(Vec<TargetRef>),
        One(Box<TargetRef>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::Many(targets) => targets,
        OneOrMany::One(target) => vec![*target],
    })
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
