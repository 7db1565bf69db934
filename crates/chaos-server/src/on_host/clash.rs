//! Another run that acts on the same thing: told while a run is prepared, before it touches anything.

use chaos_core::{Failure, FaultError};
use chaos_host::rope::{Other, others};
use chaos_host::{Host, Rope};

/// How many other runs are named at most.
const NAMED_MAX: usize = 3;

const WAIT: &str = "wait for its end; where it is dead, its deadline ends it, or `chaos recover` on the machine that started it";

/// Refuses what another run has to itself on the host. The arming looks again: another one may come between.
pub async fn refuse(host: &Host, ropes: &[Rope]) -> Result<(), FaultError> {
    match others(host, ropes).await?.first() {
        None => Ok(()),
        Some(Other { dir, claim }) => {
            let what =
                format!("have {claim} alone: another run acts on it there; its undo is `{dir}/undo.sh`");
            Err(FaultError::Preflight(Failure::new(what).hint(WAIT)))
        }
    }
}

/// Adds to why something cannot be used which other runs are at work on the host: what they did to it may be the reason.
pub async fn explained(failure: Failure, host: &Host) -> Failure {
    let others = match others(host, &[]).await {
        Ok(others) if !others.is_empty() => others,
        // What was found stands without it.
        Ok(_) | Err(_) => return failure,
    };
    let named = others.iter().take(NAMED_MAX).map(|Other { dir, claim }| format!("{claim} (`{dir}`)"));
    let more = others.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let runs = format!(
        "other runs act on this host, on {}{more}; where that is why, wait for their end",
        named.collect::<Vec<_>>().join(", ")
    );
    let hint = failure.hint.as_ref().map_or_else(|| runs.clone(), |hint| format!("{hint}; {runs}"));
    Failure { hint: Some(hint), ..failure }
}
