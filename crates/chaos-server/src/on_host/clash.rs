//! Another run that acts on the same thing: told while a run is planned, before it touches anything.

use std::cmp::Reverse;

use chaos_core::{Failure, FaultError, Target};
use chaos_host::rope::{Claims, Other, clashing, in_force};

use crate::target::ServerTarget;

/// How many of the things that others act on are named at most.
const NAMED_MAX: usize = 3;

const WAIT: &str = "wait for its end; where it is dead, `chaos recover` on the machine that started it undoes it, or its deadline";

/// Refuses what a step of another run has to itself on the host. The arming looks again: another one may come between.
pub async fn refuse(target: &ServerTarget, steps: &[Claims]) -> Result<(), FaultError> {
    match clashing(target.host(), steps).await?.first() {
        None => Ok(()),
        Some(Other { dir, claim, .. }) => {
            let why = format!("another run acts on it; its undo is `{dir}/undo.sh`");
            Err(FaultError::Preflight(Failure::new(format!("act on `{claim}`")).source(why).hint(WAIT)))
        }
    }
}

/// Adds to why something cannot be used what other runs have to themselves on the host: that may be the reason. Faults that
/// claim nothing are not seen.
pub async fn explained(failure: Failure, target: &ServerTarget) -> Failure {
    // What was found stands without it.
    let others = in_force(target.host()).await.unwrap_or_default();
    let Some(others) = in_words(&others, &target.identity().label) else { return failure };
    let hint = failure.hint.as_ref().map_or_else(|| others.clone(), |hint| format!("{hint}; {others}"));
    Failure { hint: Some(hint), ..failure }
}

/// Says what others act on; nothing where there are none.
fn in_words(others: &[Other], host: &str) -> Option<String> {
    let mut others: Vec<_> = others.iter().collect();
    // Their names begin with their time. The newest is the likeliest one.
    others.sort_by_key(|other| Reverse(other.dir.rsplit('/').next()));
    let named = |other: &&Other| {
        let more = match other.claims.saturating_sub(1) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("`{}`{more} (`{}`)", other.claim, other.dir)
    };
    let named: Vec<_> = others.iter().take(NAMED_MAX).map(named).collect();
    let more = match others.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(", and {more} more do"),
    };
    let named = Some(named.join(", ")).filter(|named| !named.is_empty())?;
    Some(format!("on `{host}` another run acts on {named}{more}; where that is why, wait for its end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_act_on_is_named_and_counted() {
        let other = |number: u64| Other {
            dir: format!("/run/chaos_{number}"),
            claims: number,
            claim: format!("unit {number}"),
        };
        let others: Vec<_> = (1..=5).map(other).collect();
        assert_eq!(in_words(&[], "root@web"), None);
        assert_eq!(
            in_words(&others[..1], "root@web").unwrap(),
            "on `root@web` another run acts on `unit 1` (`/run/chaos_1`); where that is why, wait for its end"
        );
        assert_eq!(
            in_words(&others, "root@web").unwrap(),
            "on `root@web` another run acts on `unit 5` and 4 more (`/run/chaos_5`), `unit 4` and 3 more (`/run/chaos_4`), \
             `unit 3` and 2 more (`/run/chaos_3`), and 2 more do; where that is why, wait for its end"
        );
    }
}
