//! How much is taken, and how much stays.

use chaos_core::{FaultError, Misfit};

use super::Params;
use crate::discovery::mounts::Place;
use crate::faults::room;
use crate::faults::size::{Bytes, Percent, show};

/// What is taken when nothing is said.
const DEFAULT: u64 = 1_000_000_000;
/// The smallest reserve when none is said.
const KEEP_MIN: u64 = 100 << 20;

/// What a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// So many bytes are taken.
    Size(u64),
    /// So full it is in the end.
    Full(Percent),
    /// So many bytes stay available.
    Free(u64),
}

/// How much is taken, and how much stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) bytes: u64,
    pub(super) keep: u64,
}

/// Returns what is wanted; more than one wish is refused.
pub(super) fn goal(params: &Params) -> Result<Goal, Misfit> {
    match (params.size, params.fill_percent, params.leave_free) {
        (None, None, None) => Ok(Goal::Size(DEFAULT)),
        (Some(size), None, None) => Ok(Goal::Size(size.get())),
        (None, Some(percent), None) => Ok(Goal::Full(percent)),
        (None, None, Some(free)) => Ok(Goal::Free(free.get())),
        (size, percent, free) => Err(room::several_goals(&[
            ("size", size.is_some()),
            ("fill_percent", percent.is_some()),
            ("leave_free", free.is_some()),
        ])),
    }
}

/// Refuses a wish that the reserve never lets come true.
pub(super) fn check_free(params: &Params) -> Result<(), Misfit> {
    let Some(free) = params.leave_free.map(Bytes::get) else { return Ok(()) };
    let keep = params.keep_free.map_or(KEEP_MIN, Bytes::get);
    if free >= keep { Ok(()) } else { Err(room::below_reserve(&show(keep), params.keep_free.is_some())) }
}

/// Decides how much is taken at a place.
pub(super) fn amount(place: &Place, goal: Goal, keep_free: Option<Bytes>) -> Result<Amount, FaultError> {
    let room = place.room;
    let keep = keep_free.map_or((room.size / 20).max(KEEP_MIN), Bytes::get);
    if room::is_needed(place) && keep < room::NEEDED_FREE {
        let why =
            format!("the host needs this mount itself, and {} must stay free there", show(room::NEEDED_FREE));
        return Err(hinted(place, why, "make `keep_free` larger, or choose another mount"));
    }
    let bytes = match goal {
        Goal::Size(bytes) => bytes,
        Goal::Full(percent) => percent.of(room.size).saturating_sub(room.size.saturating_sub(room.available)),
        Goal::Free(free) => room.available.saturating_sub(free),
    };
    if bytes == 0 {
        let why =
            format!("it is that full already: {} of {} available", show(room.available), show(room.size));
        return Err(hinted(place, why, "ask for more than is taken now"));
    }
    if bytes.saturating_add(keep) > room.available {
        let why = format!(
            "{} are available, {} would be taken, and {} must stay as a reserve",
            show(room.available),
            show(bytes),
            show(keep)
        );
        return Err(hinted(place, why, "take less, or make the reserve `keep_free` smaller"));
    }
    Ok(Amount { bytes, keep })
}

fn hinted(place: &Place, why: String, hint: &str) -> FaultError {
    match room::refuse(place, why) {
        FaultError::Preflight(failure) => FaultError::Preflight(failure.hint(hint)),
        error => error,
    }
}
