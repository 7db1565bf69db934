//! Steps of one experiment that would stand in each other's way.
//!
//! All faults of an experiment last until the end of its hold, whether they are injected in order or side by side, so
//! every pair of its steps on one system meets. Experiments follow each other, and so do not.

use std::collections::BTreeMap;

use chaos_core::fault::WHOLE_SYSTEM;
use chaos_core::{Access, Claim, ExperimentPlan, NameKind, PlannedStep, TargetRef};

use crate::refusal::{Refusal, Rule};

/// How many such pairs of one experiment are listed. One lock on a schema stands in the way of every other step.
const PAIRS_MAX: usize = 20;
/// How many names of one system are listed.
const NAMES_MAX: usize = 5;

/// Returns why steps of `experiment` cannot be held together.
pub(crate) fn refusals(experiment: &ExperimentPlan) -> Vec<Refusal> {
    let mut refused = Vec::new();
    for steps in by_system(experiment) {
        let mut same = Same::default();
        for (place, second) in steps.iter().enumerate() {
            for first in &steps[..place] {
                let refusal = refusal(experiment, first, second);
                // Every pair of steps on what is one system under two names says the same.
                let unlisted = refusal.and_then(|refusal| same.take(experiment, first, second, refusal));
                if refused.len() < PAIRS_MAX {
                    refused.extend(unlisted);
                }
            }
        }
        refused.extend(same.refusal());
    }
    refused
}

/// The steps of an experiment, those on one system and its parts together: two named targets may be the same one.
fn by_system(experiment: &ExperimentPlan) -> Vec<Vec<&PlannedStep>> {
    let mut systems: BTreeMap<&str, Vec<&PlannedStep>> = BTreeMap::new();
    for step in &experiment.steps {
        let whole = experiment.target_of(step).map_or("", |target| target.identity.whole());
        systems.entry(whole).or_default().push(step);
    }
    systems.into_values().collect()
}

/// Several targets of an experiment that turned out to be one system.
#[derive(Default)]
struct Same<'a> {
    targets: BTreeMap<usize, &'a TargetRef>,
    /// The first pair of steps that cannot be held together there.
    first: Option<Refusal>,
}

impl<'a> Same<'a> {
    /// Takes a pair on one system under two names, and gives every other one back.
    fn take(
        &mut self,
        experiment: &'a ExperimentPlan,
        first: &PlannedStep,
        second: &PlannedStep,
        refusal: Refusal,
    ) -> Option<Refusal> {
        let (Some(one), Some(other)) = (experiment.target_of(first), experiment.target_of(second)) else {
            return Some(refusal);
        };
        if first.target == second.target || one.identity.fingerprint != other.identity.fingerprint {
            return Some(refusal);
        }
        self.targets.extend([(first.target, one), (second.target, other)]);
        self.first.get_or_insert(refusal);
        None
    }

    fn refusal(self) -> Option<Refusal> {
        let first = self.first?;
        let names: Vec<_> = self.targets.values().map(|target| format!("`{}`", target.title())).collect();
        let (shown, more) = names.split_at(names.len().min(NAMES_MAX));
        let shown = match (shown, more.len()) {
            ([names @ .., last], 0) => format!("{} and {last}", names.join(", ")),
            (names, more) => format!("{} and {more} more", names.join(", ")),
        };
        let id = self.targets.values().next().map_or("", |target| &target.identity.fingerprint);
        let message = format!("{shown} are the same system ({id}): {}", first.message);
        let where_to_change = "name each system once, or put the faults into two experiments".to_owned();
        Some(Refusal { message, where_to_change, ..first })
    }
}

fn refusal(experiment: &ExperimentPlan, first: &PlannedStep, second: &PlannedStep) -> Option<Refusal> {
    let fingerprint = |step| experiment.target_of(step).map(|target| &target.identity.fingerprint);
    if fingerprint(first) == fingerprint(second) {
        return blocked(experiment, first, second, |_| true)
            .or_else(|| same_setting(experiment, first, second));
    }
    // A system and one of its parts, or two of its parts.
    blocked(experiment, first, second, |claim| claim.resource == WHOLE_SYSTEM)
}

fn blocked(
    experiment: &ExperimentPlan,
    first: &PlannedStep,
    second: &PlannedStep,
    counts: impl Fn(&Claim) -> bool,
) -> Option<Refusal> {
    let (ours, theirs) = first.facts.claims.iter().filter(|claim| counts(claim)).find_map(|ours| {
        let theirs = second
            .facts
            .claims
            .iter()
            .find(|theirs| ours.resource == theirs.resource && ours.access.blocks(theirs.access))?;
        Some((ours, theirs))
    })?;
    let kind = experiment.target_of(first).map_or("", |target| &target.kind);
    let message = format!(
        "step {} (`{}`, {}) and step {} (`{}`, {}) of experiment `{}` would wait for each other at `{}`",
        first.id,
        first.fault,
        in_words(ours.access, kind),
        second.id,
        second.fault,
        in_words(theirs.access, kind),
        experiment.name,
        ours.resource,
    );
    Some(Refusal {
        rule: Rule::Blocking,
        value: ours.resource.clone(),
        limit: "one of them".to_owned(),
        message,
        where_to_change: "put them into two experiments, or let them act on different resources".to_owned(),
    })
}

fn same_setting(experiment: &ExperimentPlan, first: &PlannedStep, second: &PlannedStep) -> Option<Refusal> {
    let changed = settings(second);
    let setting = settings(first).into_iter().find(|setting| changed.contains(setting))?;
    let message = format!(
        "step {} and step {} of experiment `{}` both change setting `{setting}`",
        first.id, second.id, experiment.name,
    );
    Some(Refusal {
        rule: Rule::Duplicate,
        value: setting,
        limit: "once".to_owned(),
        message,
        where_to_change: "change it once, or in another experiment".to_owned(),
    })
}

/// Returns the settings that a step changes, as it names or claims them.
fn settings(step: &PlannedStep) -> Vec<String> {
    let named = step.facts.names.iter().filter(|name| name.kind == NameKind::Setting);
    let claimed = step.facts.claims.iter().filter(|claim| claim.access == Access::Write);
    let claimed = claimed.filter_map(|claim| claim.resource.strip_prefix("setting "));
    named.map(|name| name.name.as_str()).chain(claimed).map(str::to_lowercase).collect()
}

/// Says it as people speak of this kind of target: only a database is read and written.
fn in_words(access: Access, kind: &str) -> &'static str {
    match (access, kind) {
        (Access::Read, "database") => "reads",
        (Access::Write, "database") => "writes",
        (Access::BlockWrites, "database") => "keeps others from writing",
        (Access::BlockAll, "database") => "keeps others from reading and writing",
        (Access::Read, _) => "needs it as it is",
        (Access::Write, _) => "changes it",
        (Access::BlockWrites, _) => "keeps others from changing it",
        (Access::BlockAll, _) => "needs it for itself",
    }
}
