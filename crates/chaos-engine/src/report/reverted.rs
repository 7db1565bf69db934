//! What the attempts to undo a step tell, one after the other.

use chaos_core::fault::ALREADY_UNDONE;
use chaos_core::record::Undoer;
use chaos_core::{Effect, RevertOutcome, Reverted, StepEvent};
use jiff::Timestamp;
use serde_json::Value;

use super::fold::advance;
use super::model::{ConflictReport, StepReport};

/// Takes over what an attempt to undo a step came to. `watched`: the run itself ended the hold.
pub(super) fn take_revert(
    step: &mut StepReport,
    at: Timestamp,
    by: Undoer,
    watched: bool,
    reverted: &Reverted,
) {
    let event = if reverted.conflicts_total > 0 { StepEvent::Clash } else { StepEvent::Revert };
    advance(step, event);
    step.verified = true;
    step.reverted_at = Some(at);
    step.undone_by = Some(by);
    if step.outcome.is_none() {
        // An attempt that failed found it in effect, or did not get there.
        step.found_undone = !watched && step.failed_reverts == 0 && was_found_undone(by, reverted);
    }
    step.outcome = Some(match (step.outcome, reverted.outcome) {
        // What an earlier attempt has restored is not there any more.
        (Some(RevertOutcome::Restored), RevertOutcome::NothingToDo) => RevertOutcome::Restored,
        (_, outcome) => outcome,
    });
    keep_more(&mut step.restored, &reverted.effect);
    step.conflicts_total = reverted.conflicts_total;
    step.conflicts = reverted
        .conflicts
        .iter()
        .map(|conflict| ConflictReport { what: conflict.what.clone(), found: conflict.found.clone() })
        .collect();
    step.notes = reverted.notes.clone();
    // The attempts that failed before this one are history; their number is kept.
    step.undo_error = None;
}

/// Returns whether the effect had ended before the undo began. A target says so in a note. Where there is none, what ends with
/// our process ended when that died.
fn was_found_undone(by: Undoer, reverted: &Reverted) -> bool {
    if reverted.outcome != RevertOutcome::AlreadyUndone {
        return false;
    }
    let note = reverted.undone_by().and_then(|note| note.strip_prefix(ALREADY_UNDONE));
    note.map_or(by != Undoer::Run, |who| who.starts_with(" by the target"))
}

/// Takes over what one more attempt to undo tells. Most targets count over all attempts; where each is counted for itself, a later
/// one finds less, and that takes nothing back of what was restored before.
fn keep_more(kept: &mut Effect, told: &Effect) {
    for (key, value) in &told.0 {
        let before = kept.0.get(key).and_then(Value::as_u64);
        if before.zip(value.as_u64()).is_none_or(|(before, now)| before <= now) {
            kept.0.insert(key.clone(), value.clone());
        }
    }
}
