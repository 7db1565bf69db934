//! What is told about many runs: is anything left anywhere, and what was run before.

use chaos_core::{RunId, StepId, StepState};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::{RunReport, RunStatus, StepReport};
use crate::recover::UnresolvedRun;
use crate::run_state::StepStatus;

/// Whether anything is left anywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusReport {
    /// True only when no run has anything left and none is at work.
    pub clean: bool,
    /// The runs that are not over, oldest first.
    pub runs: Vec<UnresolvedReport>,
}

impl StatusReport {
    /// Takes the runs that are not over. No runs: clean.
    pub fn new(runs: Vec<UnresolvedReport>) -> Self {
        Self { clean: runs.is_empty(), runs }
    }
}

/// A run that is not over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnresolvedReport {
    /// The run.
    #[schemars(with = "String")]
    pub run_id: RunId,
    /// How it stands.
    pub state: UnresolvedState,
    /// The steps that may have left something on their target, newest first.
    pub open_steps: Vec<OpenStep>,
    /// The living process that has it.
    pub pid: Option<u32>,
    /// When it began.
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// What is damaged in its journal, where something is.
    pub journal_damage: Vec<String>,
}

impl UnresolvedReport {
    /// Joins what the engine knows of a run with its report.
    pub fn new(run: &UnresolvedRun, report: &RunReport) -> Self {
        let state = match (&run.owner, report.status) {
            (Some(_), _) => UnresolvedState::Running,
            (None, RunStatus::Unfinished | RunStatus::Running) => UnresolvedState::Died,
            (None, _) => UnresolvedState::LeftBehind,
        };
        Self {
            run_id: run.run.clone(),
            state,
            open_steps: run
                .state
                .open_steps()
                .map(|step| OpenStep::new(step, report))
                .chain(run.state.unnamed.iter().map(|step| OpenStep::unnamed(*step)))
                .collect(),
            pid: run.owner.as_ref().map(|owner| owner.pid),
            started_at: report.started_at,
            journal_damage: report.journal_damage.clone(),
        }
    }
}

/// How a run stands that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnresolvedState {
    /// A living process holds it: the run itself, its guardian or a recovery.
    Running,
    /// Its process died; `chaos recover` undoes it.
    Died,
    /// It ended, and something is left: a conflict nobody accepted, or an undo that failed.
    LeftBehind,
}

impl UnresolvedState {
    /// Returns the word for it, as in the JSON form.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Died => "died",
            Self::LeftBehind => "left_behind",
        }
    }
}

/// A step that may have left something on its target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenStep {
    /// Its number in the run.
    pub id: u32,
    /// The fault.
    pub fault: String,
    /// The label of the target.
    pub target: String,
    /// What was to be done to what, in one line.
    pub summary: String,
    /// Where it stands.
    #[schemars(with = "String")]
    pub state: StepState,
    /// How many conflicts there are.
    pub conflicts_total: u64,
    /// Why the last attempt to undo failed.
    pub undo_error: Option<String>,
}

impl OpenStep {
    /// A step of which only the number is left. What was last known is that it began.
    fn unnamed(step: StepId) -> Self {
        Self {
            id: step.0,
            fault: "unknown".into(),
            target: "unknown".into(),
            summary: "began, but what it did is lost with the damaged lines of the journal".into(),
            state: StepState::Injected,
            conflicts_total: 0,
            undo_error: None,
        }
    }

    fn new(step: &StepStatus, report: &RunReport) -> Self {
        let told = report.steps().find(|told| told.id == step.planned.id.0);
        Self {
            id: step.planned.id.0,
            fault: step.planned.fault.clone(),
            target: step.target.identity.label.clone(),
            summary: told.map_or_else(|| step.planned.summary.clone(), StepReport::what),
            state: step.state,
            conflicts_total: told.map_or(0, |told| told.conflicts_total),
            undo_error: told.and_then(|told| told.undo_error.clone()),
        }
    }
}

/// One run in the list of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// The run.
    #[schemars(with = "String")]
    pub run_id: RunId,
    /// How it stands or ended.
    pub status: RunStatus,
    /// What the last process that ended it told its caller.
    pub exit_code: Option<u8>,
    /// When it began.
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// From its beginning to the last thing that happened, in milliseconds.
    pub duration_ms: u64,
    /// The names of its experiments.
    pub experiments: Vec<String>,
    /// How many steps it planned.
    pub steps: usize,
    /// How many of them were undone and read back.
    pub verified: usize,
    /// How many may have left something.
    pub open: usize,
}

impl HistoryEntry {
    /// Takes what matters here from the report of the run.
    pub fn new(run: RunId, report: &RunReport) -> Self {
        Self {
            run_id: run,
            status: report.status,
            exit_code: report.exit_code,
            started_at: report.started_at,
            duration_ms: report.duration_ms,
            experiments: report.experiments.iter().map(|experiment| experiment.name.clone()).collect(),
            steps: report.steps().count(),
            verified: report.steps().filter(|step| step.verified).count(),
            open: report.open_steps().count(),
        }
    }
}
