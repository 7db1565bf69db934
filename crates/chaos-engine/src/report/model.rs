//! The report of a run, as data. Its JSON form is a contract: fields are added, never renamed or taken away, and
//! `schema_version` tells the contract's number.

use chaos_core::record::Undoer;
use chaos_core::{Effect, RevertOutcome, Rope, RunId, StepState};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number of the JSON contract that [`RunReport`] keeps.
pub const SCHEMA_VERSION: u32 = 1;

/// What happened in one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// The number of this contract.
    pub schema_version: u32,
    /// The run; absent only where the head of the journal is damaged.
    #[schemars(with = "Option<String>")]
    pub run_id: Option<RunId>,
    /// How the run stands or ended.
    pub status: RunStatus,
    /// What the last process that ended this run told its caller; absent while it is unfinished.
    pub exit_code: Option<u8>,
    /// The experiments in the order of the plan.
    pub experiments: Vec<ExperimentReport>,
    /// The seed of all random choices; with the same seed the run can be repeated.
    pub seed: Option<u64>,
    /// The version of `chaos` that started the run.
    pub chaos_version: Option<String>,
    /// When it began.
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// When the last thing happened.
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// From the beginning to the last thing that happened, in milliseconds.
    pub duration_ms: u64,
    /// Who rolled back last: `run`, `guardian` or `recovery`.
    #[schemars(with = "Option<String>")]
    pub undone_by: Option<Undoer>,
    /// Everything that happened, in order.
    pub events: Vec<Event>,
    /// What is damaged in the journal, where something is; the report is then made from the rest.
    #[serde(default)]
    pub journal_damage: Vec<String>,
}

impl RunReport {
    /// Returns all steps of all experiments in plan order.
    pub fn steps(&self) -> impl Iterator<Item = &StepReport> {
        self.experiments.iter().flat_map(|experiment| &experiment.steps)
    }

    /// Returns the steps that may have left something on their target.
    pub fn open_steps(&self) -> impl Iterator<Item = &StepReport> {
        self.steps().filter(|step| step.is_open())
    }

    /// Says that the process of an unfinished run is alive. The journal alone cannot know.
    #[must_use]
    pub fn with_living_owner(mut self) -> Self {
        if self.status == RunStatus::Unfinished {
            self.status = RunStatus::Running;
        }
        self
    }
}

/// How a run stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It was done, and everything is undone and read back.
    Completed,
    /// A fault failed or something else stopped it; everything is undone and read back.
    Failed,
    /// A person or a signal stopped it; everything is undone and read back.
    Interrupted,
    /// A time limit or a budget ran out; everything is undone and read back.
    LimitReached,
    /// The run itself died; the guardian or a later process undid everything and read it back.
    Recovered,
    /// Something is left on a target: a conflict nobody accepted, or an undo that failed.
    LeftBehind,
    /// Its process is alive and at work.
    Running,
    /// The journal has no end: the run is still going on, or its process died.
    Unfinished,
}

impl RunStatus {
    /// Returns the word for it, as in the JSON form.
    pub fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::LimitReached => "limit_reached",
            Self::Recovered => "recovered",
            Self::LeftBehind => "left_behind",
            Self::Running => "running",
            Self::Unfinished => "unfinished",
        }
    }

    /// Returns the same for people.
    pub fn words(self) -> String {
        self.word().replace('_', " ")
    }
}

/// What happened in one experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentReport {
    /// Its name.
    pub name: String,
    /// How it stands or ended.
    pub status: ExperimentStatus,
    /// Its steps in plan order.
    pub steps: Vec<StepReport>,
    /// What it acted on, the first of them where there are several; absent only where the plan in the journal is damaged.
    pub target: Option<TargetReport>,
    /// Everything it acted on.
    #[serde(default)]
    pub targets: Vec<TargetReport>,
    /// Members of its targets that did not answer and were left out, because that was allowed; one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// What else there is to know of its targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How long its faults were to be held, in milliseconds.
    pub hold_ms: Option<u64>,
    /// Whether its faults were injected side by side.
    pub parallel: bool,
    /// When it began.
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// When all its faults were in and the hold began.
    #[schemars(with = "Option<String>")]
    pub hold_started_at: Option<Timestamp>,
    /// When the rollback began.
    #[schemars(with = "Option<String>")]
    pub rollback_started_at: Option<Timestamp>,
    /// When it ended.
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// Why the rollback began.
    pub stop_reason: Option<String>,
}

/// How an experiment stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentStatus {
    /// Nothing of it was begun.
    NotStarted,
    /// It was done, and everything is undone and read back.
    Completed,
    /// A fault failed; everything is undone and read back.
    Failed,
    /// The run was stopped during this experiment; everything is undone and read back.
    Interrupted,
    /// The run died during this experiment; everything was undone and read back later.
    Recovered,
    /// Something is left on the target.
    LeftBehind,
    /// It has begun and has no end.
    Unfinished,
}

impl ExperimentStatus {
    /// Returns the word for it, as in the JSON form.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Recovered => "recovered",
            Self::LeftBehind => "left_behind",
            Self::Unfinished => "unfinished",
        }
    }

    /// Returns the same for people.
    pub fn words(self) -> String {
        self.word().replace('_', " ")
    }
}

/// What an experiment acted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetReport {
    /// The kind of target: `database`.
    pub kind: String,
    /// What it is: `PostgreSQL 15.18`.
    pub product: String,
    /// How people name it, without secrets.
    pub label: String,
    /// What tells it from the other targets of its experiment: `shop`, `web/host-1`. Absent where it is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What happened to one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepReport {
    /// Its number in the run, from 1.
    pub id: u32,
    /// The fault: `db.insert_load`.
    pub fault: String,
    /// The label of the target.
    pub target: String,
    /// What tells the target from the others of its experiment: `shop`, `web/host-1`. Absent where it is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
    /// What was to be done to what, in one line.
    pub summary: String,
    /// Where it stands: `planned`, `intended`, `armed`, `injected`, `reverted`, `conflict`, `stuck` or `accepted`.
    #[schemars(with = "String")]
    pub state: StepState,
    /// What somebody else changed meanwhile and what was therefore left alone; the first ones only.
    pub conflicts: Vec<ConflictReport>,
    /// How many conflicts there are in all.
    pub conflicts_total: u64,
    /// When the effect was seen.
    #[schemars(with = "Option<String>")]
    pub injected_at: Option<Timestamp>,
    /// When the undo was read back.
    #[schemars(with = "Option<String>")]
    pub reverted_at: Option<Timestamp>,
    /// What the fault really did, in numbers and words.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub effect: Effect,
    /// Whether the target was read back after the undo. Never true on trust.
    pub verified: bool,
    /// How it is undone, in one line.
    pub undo: String,
    /// What ends it without us; absent only where the plan in the journal is damaged.
    #[schemars(with = "Option<serde_json::Value>")]
    pub rope: Option<Rope>,
    /// When the intent was written.
    #[schemars(with = "Option<String>")]
    pub intended_at: Option<Timestamp>,
    /// What the fault measured during the hold.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub measured: Effect,
    /// What was restored, in numbers: by all attempts together where the target counts so, or else by the one that restored most.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub restored: Effect,
    /// What the undo found: `restored`, `nothing_to_do` or `already_undone`.
    #[schemars(with = "Option<String>")]
    pub outcome: Option<RevertOutcome>,
    /// Whether the effect had ended before the undo began, at a time that nobody of ours saw: by the deadline on the target, or with
    /// the process of the run.
    #[serde(default)]
    pub found_undone: bool,
    /// Who undid it: `run`, `guardian` or `recovery`.
    #[schemars(with = "Option<String>")]
    pub undone_by: Option<Undoer>,
    /// What cannot come back and is not an error.
    pub notes: Vec<String>,
    /// Why the fault failed.
    pub error: Option<String>,
    /// Why the last attempt to undo failed, as long as none succeeded.
    pub undo_error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// How many attempts to undo failed.
    pub failed_reverts: u32,
    /// Whether rope and helpers are gone from the target.
    pub disarmed: bool,
}

impl StepReport {
    /// Returns whether something of this step may still be on its target: its effect, or our helpers.
    pub fn is_open(&self) -> bool {
        self.state.may_have_left(self.disarmed)
    }

    /// Returns what was to be done, behind the name of the target where there are several.
    pub fn what(&self) -> String {
        match &self.target_name {
            Some(name) => format!("{name}: {}", self.summary),
            None => self.summary.clone(),
        }
    }
}

/// What somebody else changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConflictReport {
    /// The thing.
    pub what: String,
    /// What was found and what was not done.
    pub found: String,
}

/// One thing that happened, for the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What, as the journal names it: `injected`, `rollback_started`, …
    pub kind: String,
    /// The step it is about.
    pub step: Option<u32>,
    /// The experiment it is about, from 0.
    pub experiment: Option<usize>,
    /// The same for people.
    pub text: String,
}
