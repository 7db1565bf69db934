//! What every fault must be able to do.
//!
//! A fault is stateless. Everything it needs to act and to undo lies in its `Step`, which is data: it is the dry-run
//! line, the text that is approved, the intent in the journal and the ticket for the undo.

use std::fmt::Display;
use std::future::Future;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::{PrepareContext, StepContext};
use crate::error::FaultError;
use crate::misfit::Misfit;
use crate::target::Target;

/// What is known about a fault before it is used. Catalogue, reference page and completions derive from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FaultSpec {
    /// The public name: `db.insert_load`.
    pub name: &'static str,
    /// The kind of target it acts on, as in `target:` of an experiment: `database`.
    pub target: &'static str,
    /// One line for the catalogue.
    pub summary: &'static str,
    /// How much it hurts while it lasts.
    pub risk: Risk,
    /// What the undo brings back.
    pub reversibility: Reversibility,
}

/// How much a fault hurts while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Load only.
    Low,
    /// Changes that applications can see.
    Medium,
    /// Applications stop or fail.
    High,
}

/// What the undo brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversibility {
    /// Changes nothing, so there is nothing to bring back.
    Harmless,
    /// Everything that the fault changed comes back and is read back.
    Exact,
    /// Ends with its session; nothing persistent was changed.
    EndsItself,
}

/// What ends a fault when we never come back. It is part of the plan that people read, and policy can demand one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rope {
    /// The fault has no lasting effect.
    EndsByItself,
    /// A deadline of ours on the target.
    OnTarget {
        /// Whether the fault is also over when the target was rebooted meanwhile: the deadline still acts then, or the reboot
        /// itself ends the effect.
        survives_reboot: bool,
    },
    /// A limit of the server ends it: a statement timeout, a closed session.
    ServerLimit,
    /// Nothing on the target: only guardian and `chaos recover` undo it.
    None,
}

/// The resource that stands for the whole system, its parts included: a reboot of a host ends what is done to its containers too.
pub const WHOLE_SYSTEM: &str = "host";

/// What one step does to one resource, so that review sees which steps would block each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The resource, named so that equal text means the same thing: `table public.users`.
    pub resource: String,
    /// What is done to it.
    pub access: Access,
}

/// What one step does to one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Reads it.
    Read,
    /// Changes it.
    Write,
    /// Keeps others from writing it for the whole hold.
    BlockWrites,
    /// Keeps others from reading and writing it for the whole hold.
    BlockAll,
}

impl Access {
    /// Returns whether two steps with these accesses to one resource would stand in each other's way.
    pub fn blocks(self, other: Self) -> bool {
        match (self, other) {
            (Self::BlockAll, _) | (_, Self::BlockAll) => true,
            (Self::BlockWrites, Self::Write | Self::BlockWrites) | (Self::Write, Self::BlockWrites) => true,
            (Self::BlockWrites, Self::Read) | (Self::Read, Self::BlockWrites) => false,
            (Self::Read | Self::Write, Self::Read | Self::Write) => false,
        }
    }
}

/// How much a step touches, in the units that policy limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantity {
    /// Rows inserted, changed or locked.
    #[serde(default)]
    pub rows: u64,
    /// Tables touched.
    #[serde(default)]
    pub tables: u64,
    /// Connections held open at once.
    #[serde(default)]
    pub connections: u64,
    /// Hosts touched.
    #[serde(default)]
    pub hosts: u64,
    /// Pods touched.
    #[serde(default)]
    pub pods: u64,
}

/// What people and policy must know of a step before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFacts {
    /// How it will be undone, in one line.
    pub undo: String,
    /// What ends it without us.
    pub rope: Rope,
    /// What it touches and how.
    pub claims: Vec<Claim>,
    /// How much it touches.
    pub quantity: Quantity,
    /// Names that policy compares with protected and production names, beside those of the target: schemas, tables.
    pub names: Vec<crate::target::TargetName>,
}

/// What an inject really did, as numbers and words for the report: `{"rows": 1000}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Effect(pub serde_json::Map<String, Value>);

impl Effect {
    /// Returns the effect with one more entry.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }
}

/// What somebody else changed meanwhile, and what we therefore left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The thing: `row (id)=(42) of public.users`.
    pub what: String,
    /// What we found and what we did not do: `changed since by somebody else, left as it is`.
    pub found: String,
}

/// How a revert ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevertOutcome {
    /// Something of ours was there, is gone now, and this was read back.
    Restored,
    /// Nothing of ours was there: never injected, or undone before.
    NothingToDo,
    /// It was undone before we came: by the target itself, or by an earlier attempt of ours. The notes say by whom.
    AlreadyUndone,
}

/// How a note begins that says who had undone a step before we came: `already undone by the target: its deadline had come`.
pub const ALREADY_UNDONE: &str = "already undone";

/// What a revert did and saw. It is made only after the target was read back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reverted {
    /// How it ended.
    pub outcome: RevertOutcome,
    /// What was restored, in numbers: `{"rows": 1000}`.
    #[serde(default)]
    pub effect: Effect,
    /// The first [`Reverted::CONFLICTS_MAX`] conflicts.
    #[serde(default)]
    pub conflicts: Vec<Conflict>,
    /// How many conflicts there were in all.
    #[serde(default)]
    pub conflicts_total: u64,
    /// What cannot come back and is not an error: `sequence public.users_id_seq has moved on by 1000`.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Reverted {
    /// How many conflicts are listed one by one. The rest is only counted, so that a record stays small.
    pub const CONFLICTS_MAX: usize = 20;

    /// A revert that ended like this, with nothing else to say.
    pub fn new(outcome: RevertOutcome) -> Self {
        Self {
            outcome,
            effect: Effect::default(),
            conflicts: Vec::new(),
            conflicts_total: 0,
            notes: Vec::new(),
        }
    }

    /// A revert that found no trace of the step on the target: nothing to do, unless the step is known to have acted
    /// ([`StepContext::has_acted`]). Then somebody has removed `trace`, and with it what the undo needs.
    pub fn without_trace(cx: &StepContext, trace: &str, effect: &str) -> Self {
        let mut reverted = Self::new(RevertOutcome::NothingToDo);
        if cx.has_acted {
            reverted.push_conflict(Conflict {
                what: trace.to_owned(),
                found: format!("removed by somebody else during the hold; {effect} may still be there, and cannot be undone without it"),
            });
        }
        reverted
    }

    /// Returns the note that says who had undone it before we came; `None` where we undid it now, or nobody said.
    pub fn undone_by(&self) -> Option<&str> {
        match self.outcome {
            RevertOutcome::AlreadyUndone => {
                self.notes.iter().map(String::as_str).find(|note| note.starts_with(ALREADY_UNDONE))
            }
            RevertOutcome::Restored | RevertOutcome::NothingToDo => None,
        }
    }

    /// Counts one more conflict, and lists it while there is room.
    pub fn push_conflict(&mut self, conflict: Conflict) {
        self.conflicts_total += 1;
        if self.conflicts.len() < Self::CONFLICTS_MAX {
            self.conflicts.push(conflict);
        }
    }
}

/// The session of a fault that keeps nothing open while it lasts.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSession;

/// Something that changes a target, and can take it back.
///
/// The engine calls in this order: `prepare` (reads only), then for each step: intent journaled, `arm`, journaled,
/// `inject`, journaled, hold, `finish`, `revert`, journaled, `disarm`. After a crash another process calls `revert`
/// and `disarm` with nothing but the step.
pub trait Fault: Send + Sync + 'static {
    /// The target it acts on.
    type Target: Target;
    /// What a person may write below `params:`. Unknown keys must be refused (`deny_unknown_fields`). The doc comment of
    /// each field is its reference page: unit, default, example.
    type Params: DeserializeOwned + JsonSchema + Send;
    /// Everything needed to act and to undo. Its `Display` is one line: what will be done to what.
    type Step: Serialize + DeserializeOwned + Display + Send + Sync;
    /// What stays open between `arm` and the end of the hold: a transaction, a lock, running load. It is dropped before
    /// `revert`, so that the undo is the same with us as after a crash.
    type Session: Send + 'static;

    /// What is known about the fault before it is used.
    const SPEC: FaultSpec;

    /// Says what is wrong with parameters where no target is needed to see it, and their types cannot say it. It is asked where
    /// a file is read, and again before [`prepare`](Self::prepare), which may count on it. What is said must hold no secret.
    ///
    /// # Errors
    /// When they can never work.
    fn check(&self, _params: &Self::Params) -> Result<(), Misfit> {
        Ok(())
    }

    /// Chooses what will be done and by which handles, and checks that it can be undone. Reads only.
    ///
    /// # Errors
    /// [`FaultError::Params`] for parameters that make no sense, [`FaultError::Preflight`] for everything that would
    /// stand in the way of the undo.
    fn prepare(
        &self,
        cx: &PrepareContext,
        target: &Self::Target,
        params: Self::Params,
    ) -> impl Future<Output = Result<Vec<Self::Step>, FaultError>> + Send;

    /// Returns what people and policy must know of a step.
    fn facts(&self, step: &Self::Step) -> StepFacts;

    /// Puts rope or fence in place and reads it back; nothing of the fault happens yet.
    fn arm(
        &self,
        cx: &StepContext,
        target: &Self::Target,
        step: &Self::Step,
    ) -> impl Future<Output = Result<Self::Session, FaultError>> + Send;

    /// Does it. Checks `cx.cancel` in long work; when it returns an error the engine reverts.
    fn inject(
        &self,
        cx: &StepContext,
        target: &Self::Target,
        step: &Self::Step,
        session: &mut Self::Session,
    ) -> impl Future<Output = Result<Effect, FaultError>> + Send;

    /// Ends the session at the end of the hold, in time bounded by the fault, and returns what it measured meanwhile.
    fn finish(
        &self,
        _cx: &StepContext,
        session: Self::Session,
    ) -> impl Future<Output = Result<Option<Effect>, FaultError>> + Send {
        drop(session);
        std::future::ready(Ok(None))
    }

    /// Takes it back and reads the target to see that it is gone. Idempotent: may be called after anything, twice, or
    /// without an inject, by any process. Takes part in the fence, so that a late inject cannot slip in behind it.
    fn revert(
        &self,
        cx: &StepContext,
        target: &Self::Target,
        step: &Self::Step,
    ) -> impl Future<Output = Result<Reverted, FaultError>> + Send;

    /// Removes rope and helpers after a verified revert, or after a person accepted the conflicts. Idempotent.
    fn disarm(
        &self,
        _cx: &StepContext,
        _target: &Self::Target,
        _step: &Self::Step,
    ) -> impl Future<Output = Result<(), FaultError>> + Send {
        std::future::ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_lock_blocks_writers_but_not_readers() {
        assert!(Access::BlockWrites.blocks(Access::Write));
        assert!(!Access::BlockWrites.blocks(Access::Read));
        assert!(Access::Read.blocks(Access::BlockAll));
        assert!(!Access::Write.blocks(Access::Write));
    }
}
