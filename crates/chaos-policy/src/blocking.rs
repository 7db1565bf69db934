//! Steps of one experiment that would stand in each other's way.
//!
//! All faults of an experiment last until the end of its hold, whether they are injected in order or side by side, so
//! every pair of its steps on one system meets. Experiments follow each other, and so do not.

use std::collections::BTreeMap;

use chaos_core::{Access, ExperimentPlan, NameKind, PlannedStep};

use crate::refusal::{Refusal, Rule};

/// How many such pairs of one experiment are listed. One lock on a schema stands in the way of every other step.
const PAIRS_MAX: usize = 20;

/// Returns why steps of `experiment` cannot be held together.
pub(crate) fn refusals(experiment: &ExperimentPlan) -> Vec<Refusal> {
    let on_one_system = by_system(experiment);
    let pairs = on_one_system.iter().flat_map(|steps| {
        let pairs = steps.iter().enumerate();
        pairs.flat_map(|(place, second)| steps[..place].iter().map(move |first| (*first, *second)))
    });
    let refused = pairs.filter_map(|(first, second)| {
        blocked(experiment, first, second).or_else(|| same_setting(experiment, first, second))
    });
    refused.take(PAIRS_MAX).collect()
}

/// The steps of an experiment, those on one system together: two named targets may be the same one.
fn by_system(experiment: &ExperimentPlan) -> Vec<Vec<&PlannedStep>> {
    let mut systems: BTreeMap<&str, Vec<&PlannedStep>> = BTreeMap::new();
    for step in &experiment.steps {
        let fingerprint = experiment.target_of(step).map_or("", |target| &target.identity.fingerprint);
        systems.entry(fingerprint).or_default().push(step);
    }
    systems.into_values().collect()
}

fn blocked(experiment: &ExperimentPlan, first: &PlannedStep, second: &PlannedStep) -> Option<Refusal> {
    let (ours, theirs) = first.facts.claims.iter().find_map(|ours| {
        let theirs = second
            .facts
            .claims
            .iter()
            .find(|theirs| ours.resource == theirs.resource && ours.access.blocks(theirs.access))?;
        Some((ours, theirs))
    })?;
    let message = format!(
        "step {} (`{}`, {}) and step {} (`{}`, {}) of experiment `{}` would wait for each other at `{}`",
        first.id,
        first.fault,
        in_words(ours.access),
        second.id,
        second.fault,
        in_words(theirs.access),
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

fn in_words(access: Access) -> &'static str {
    match access {
        Access::Read => "reads",
        Access::Write => "writes",
        Access::BlockWrites => "keeps others from writing",
        Access::BlockAll => "keeps others from reading and writing",
    }
}
