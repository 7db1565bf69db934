//! What the journal holds: one record for every thing that happened, in order. Report, status and history are folds
//! over records; a recovery needs nothing else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exit::ExitCode;
use crate::fault::{Effect, Reverted};
use crate::id::{RunId, StepId};
use crate::plan::{Plan, PlannedStep, TargetRef};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub body: RecordBody,
}

/// What can happen in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RecordBody {
    /// The journal begins.
    Opened {
        /// The version of the journal format.
        version: u32,
        /// The run.
        run: RunId,
        /// The version of `chaos` that wrote it.
        chaos: String,
    },
    /// The approved plan, with every step in full.
    Planned {
        /// The plan.
        plan: Plan,
    },
    /// The guardian stands by.
    GuardianStarted {
        /// Its process id.
        pid: u32,
    },
    /// An experiment begins.
    ExperimentStarted {
        /// Its place in the plan, from 0.
        experiment: usize,
    },
    /// A step is about to act. Holds the step in full, so that no other record is needed to undo it.
    Intended {
        /// The place of its experiment in the plan, from 0.
        experiment: usize,
        /// What it acts on.
        target: Box<TargetRef>,
        /// The step.
        planned: Box<PlannedStep>,
    },
    /// Rope or fence of a step is in place.
    Armed {
        /// The step.
        step: StepId,
    },
    /// A step has acted.
    Injected {
        /// The step.
        step: StepId,
        /// What it really did.
        effect: Effect,
    },
    /// A step failed to act. It will be reverted all the same.
    Failed {
        /// The step.
        step: StepId,
        /// Why.
        error: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// What a step measured during the hold.
    Measured {
        /// The step.
        step: StepId,
        /// What was measured.
        effect: Effect,
    },
    /// The hold of an experiment began.
    HoldStarted {
        /// Its place in the plan, from 0.
        experiment: usize,
    },
    /// The hold of an experiment ended, and with it begins the rollback.
    RollbackStarted {
        /// Its place in the plan, from 0; absent in a recovery, which takes all.
        experiment: Option<usize>,
        /// Who rolls back.
        by: Undoer,
        /// Why the hold ended.
        reason: String,
    },
    /// A step was undone and read back; conflicts are in `reverted`.
    Reverted {
        /// The step.
        step: StepId,
        /// What was restored and what was found.
        reverted: Reverted,
    },
    /// An attempt to undo failed; there will be another one.
    RevertFailed {
        /// The step.
        step: StepId,
        /// Which attempt this was, from 1.
        attempt: u32,
        /// Why.
        error: String,
    },
    /// The undo was given up.
    Stuck {
        /// The step.
        step: StepId,
        /// Why.
        error: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Rope and helpers of a step are gone from the target.
    Disarmed {
        /// The step.
        step: StepId,
    },
    /// A person accepted the conflicts of a step.
    Accepted {
        /// The step.
        step: StepId,
    },
    /// A person accepted that a damaged journal may have lost a step that nobody can name any more.
    DamageAccepted,
    /// An experiment ended.
    ExperimentEnded {
        /// Its place in the plan, from 0.
        experiment: usize,
    },
    /// The run, or a recovery of it, ended.
    Closed {
        /// What the process told its caller.
        exit: ExitCode,
        /// Whose end this is.
        by: Undoer,
    },
}

/// Who rolls back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undoer {
    /// The run itself.
    Run,
    /// The guardian, after the run died.
    Guardian,
    /// A later process: `chaos recover` or the next start.
    Recovery,
}
