//! The life of a step, as a table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a step stands. Everything from `Intended` on that is not `Reverted` or `Accepted` may have left something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// In the plan; nothing was done.
    Planned,
    /// The intent is durable; the effect may or may not have happened.
    Intended,
    /// The rope or fence is in place and was read back.
    Armed,
    /// The effect was seen.
    Injected,
    /// Undone, and read back.
    Reverted,
    /// Undone but for what somebody else changed meanwhile, which is left as it is until a person accepts it.
    Conflict,
    /// The undo failed for good; it can be tried again with `chaos recover`.
    Stuck,
    /// A person has accepted what is left.
    Accepted,
}

/// What can happen to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEvent {
    /// The intent was written.
    Intend,
    /// Rope or fence is in place.
    Arm,
    /// The effect happened.
    Inject,
    /// The undo was verified.
    Revert,
    /// The undo was verified but for the conflicts.
    Clash,
    /// The undo was given up.
    GiveUp,
    /// A person accepted what is left.
    Accept,
}

/// A step cannot do that from where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a step that is {from} cannot {event:?}")]
pub struct IllegalTransition {
    /// Where the step stood.
    pub from: StepState,
    /// What was asked of it.
    pub event: StepEvent,
}

impl StepState {
    /// Returns where the step stands after `event`.
    ///
    /// # Errors
    /// When the event makes no sense from here.
    pub fn next(self, event: StepEvent) -> Result<Self, IllegalTransition> {
        use StepEvent as E;
        use StepState as S;
        match (self, event) {
            (S::Planned, E::Intend) => Ok(S::Intended),
            (S::Intended, E::Arm) => Ok(S::Armed),
            (S::Armed, E::Inject) => Ok(S::Injected),
            // An intent whose injection we never saw may still have happened: it is reverted too. A revert may be
            // repeated, because the process can die between the revert and its record.
            (S::Intended | S::Armed | S::Injected | S::Stuck | S::Conflict, E::Revert) => Ok(S::Reverted),
            (S::Intended | S::Armed | S::Injected | S::Stuck | S::Conflict, E::Clash) => Ok(S::Conflict),
            // Also after a revert: the helpers on the target could not be removed.
            (S::Intended | S::Armed | S::Injected | S::Stuck | S::Reverted | S::Accepted, E::GiveUp) => {
                Ok(S::Stuck)
            }
            (S::Conflict, E::GiveUp) => Ok(S::Conflict),
            // A stuck step is accepted when a person says that it was mended by hand, or that its target is no more.
            (S::Conflict | S::Stuck, E::Accept) => Ok(S::Accepted),
            (from, event) => Err(IllegalTransition { from, event }),
        }
    }

    /// Returns where the step stands after a record says that `event` happened. A damaged journal may miss what was in
    /// between; what was written last did happen.
    #[must_use]
    pub fn after(self, event: StepEvent) -> Self {
        self.next(event).unwrap_or(match event {
            StepEvent::Intend => Self::Intended,
            StepEvent::Arm => Self::Armed,
            StepEvent::Inject => Self::Injected,
            StepEvent::Revert => Self::Reverted,
            StepEvent::Clash => Self::Conflict,
            StepEvent::GiveUp => Self::Stuck,
            StepEvent::Accept => Self::Accepted,
        })
    }

    /// Returns whether this step may have left its effect, or helpers that were not removed yet.
    pub fn may_have_left(self, is_disarmed: bool) -> bool {
        match self {
            Self::Reverted | Self::Accepted => !is_disarmed,
            Self::Planned | Self::Intended | Self::Armed | Self::Injected | Self::Conflict | Self::Stuck => {
                self.is_open()
            }
        }
    }

    /// Returns whether this step may have left something on its target.
    pub fn is_open(self) -> bool {
        match self {
            Self::Intended | Self::Armed | Self::Injected | Self::Conflict | Self::Stuck => true,
            Self::Planned | Self::Reverted | Self::Accepted => false,
        }
    }
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planned => "planned",
            Self::Intended => "intended",
            Self::Armed => "armed",
            Self::Injected => "injected",
            Self::Reverted => "reverted",
            Self::Conflict => "conflict",
            Self::Stuck => "stuck",
            Self::Accepted => "accepted",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_whose_injection_was_never_seen_is_open_and_can_be_reverted() {
        let state = StepState::Planned.next(StepEvent::Intend).unwrap();
        assert!(state.is_open());
        assert_eq!(state.next(StepEvent::Revert), Ok(StepState::Reverted));
    }

    #[test]
    fn a_planned_step_cannot_be_injected() {
        let refused = StepState::Planned.next(StepEvent::Inject).unwrap_err();
        assert_eq!(refused.to_string(), "a step that is planned cannot Inject");
    }

    #[test]
    fn a_record_is_taken_at_its_word_where_the_one_before_is_lost() {
        assert!(StepState::Planned.next(StepEvent::Revert).is_err());
        assert_eq!(StepState::Planned.after(StepEvent::Revert), StepState::Reverted);
        assert_eq!(StepState::Planned.after(StepEvent::Inject), StepState::Injected);
    }

    #[test]
    fn helpers_that_were_not_removed_are_something_left() {
        assert!(StepState::Reverted.may_have_left(false));
        assert!(!StepState::Reverted.may_have_left(true));
        assert!(StepState::Conflict.may_have_left(true));
        assert!(!StepState::Planned.may_have_left(false));
    }

    #[test]
    fn a_conflict_stays_open_until_accepted() {
        let state = StepState::Injected.next(StepEvent::Clash).unwrap();
        assert!(state.is_open());
        assert!(!state.next(StepEvent::Accept).unwrap().is_open());
    }
}
