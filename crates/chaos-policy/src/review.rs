//! The review: a plan and limits in, an approved plan or every reason against it out.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use chaos_core::{ExperimentPlan, NameKind, Plan, Quantity, Rope, TargetName};

use crate::approved::ApprovedPlan;
use crate::blocking;
use crate::limits::Limits;
use crate::pattern::NamePattern;
use crate::refusal::{Refusal, Rule};

/// Names that belong to the systems themselves. A fault there would break the undo with it.
const ALWAYS_PROTECTED: [&str; 8] = [
    "database:template0",
    "database:template1",
    "schema:pg_catalog",
    "schema:pg_toast",
    "schema:information_schema",
    "table:pg_catalog.*",
    "table:information_schema.*",
    "table:sqlite_*",
];

/// The same as patterns, read once. One that cannot be read protects everything: a guard that fails means no.
static ALWAYS: LazyLock<[(&str, Option<NamePattern>); 8]> =
    LazyLock::new(|| ALWAYS_PROTECTED.map(|text| (text, NamePattern::new(text).ok())));

/// Compares `plan` with `limits`.
///
/// # Errors
/// Every reason why it may not run.
pub fn review(plan: Plan, limits: &Limits) -> Result<ApprovedPlan, Vec<Refusal>> {
    let mut refusals = quantities(&plan, limits);
    for experiment in &plan.experiments {
        refusals.extend(duration(experiment, limits));
        refusals.extend(names(experiment, limits));
        refusals.extend(ropes(experiment, limits));
        refusals.extend(blocking::refusals(experiment));
    }
    // Every step on a protected database names it; once is enough.
    let mut seen = HashSet::new();
    refusals.retain(|refusal| seen.insert(refusal.clone()));
    if refusals.is_empty() { Ok(ApprovedPlan::new(plan)) } else { Err(refusals) }
}

fn quantities(plan: &Plan, limits: &Limits) -> Vec<Refusal> {
    let sums: Vec<Quantity> = plan.experiments.iter().map(sum).collect();
    let total = |unit: fn(&Quantity) -> u64| sums.iter().map(unit).fold(0, u64::saturating_add);
    // Experiments follow each other, so connections of two are never open at once.
    let most = |unit: fn(&Quantity) -> u64| sums.iter().map(unit).max().unwrap_or(0);
    let checks = [
        (Rule::MaxRows, "rows", total(|sum| sum.rows), limits.max_rows),
        (Rule::MaxTables, "tables", total(|sum| sum.tables), limits.max_tables),
        (Rule::MaxConnections, "connections at once", most(|sum| sum.connections), limits.max_connections),
        (Rule::MaxHosts, "hosts", hosts(plan), limits.max_hosts),
        (Rule::MaxPods, "pods", total(|sum| sum.pods), limits.max_pods),
    ];
    let over = checks.into_iter().filter(|(_, _, value, limit)| value > limit);
    over.map(|(rule, unit, value, limit)| Refusal {
        rule,
        value: value.to_string(),
        limit: limit.to_string(),
        message: format!("{value} {unit} would be used, the limit is {limit}"),
        where_to_change: limits.place_of(&rule.to_string()),
    })
    .collect()
}

fn sum(experiment: &ExperimentPlan) -> Quantity {
    experiment.steps.iter().map(|step| step.facts.quantity).fold(Quantity::default(), |sum, step| Quantity {
        rows: sum.rows.saturating_add(step.rows),
        tables: sum.tables.saturating_add(step.tables),
        connections: sum.connections.saturating_add(step.connections),
        hosts: sum.hosts.saturating_add(step.hosts),
        pods: sum.pods.saturating_add(step.pods),
    })
}

/// A step that touches one host touches its target, which counts once however many steps it has. A step that touches several
/// hosts through one target counts them itself.
fn hosts(plan: &Plan) -> u64 {
    let mut targets: HashMap<&str, (bool, u64)> = HashMap::new();
    for experiment in &plan.experiments {
        for step in &experiment.steps {
            let fingerprint = experiment.target_of(step).map_or("", |target| &target.identity.fingerprint);
            let (is_touched, through_it) = targets.entry(fingerprint).or_default();
            match step.facts.quantity.hosts {
                0 => {}
                1 => *is_touched = true,
                several => *through_it = through_it.saturating_add(several),
            }
        }
    }
    let counts =
        targets.into_values().map(|(is_touched, through_it)| through_it.saturating_add(is_touched.into()));
    counts.fold(0, u64::saturating_add)
}

fn duration(experiment: &ExperimentPlan, limits: &Limits) -> Option<Refusal> {
    if experiment.hold <= limits.max_duration {
        return None;
    }
    let (hold, max) = (in_words(experiment.hold), in_words(limits.max_duration));
    Some(Refusal {
        rule: Rule::MaxDuration,
        message: format!("experiment `{}` lasts {hold}, the limit is {max}", experiment.name),
        value: hold,
        limit: max,
        where_to_change: limits.place_of("max_duration"),
    })
}

/// `1h 30m`, without the spaces and units of nothing that a debug print has.
fn in_words(duration: std::time::Duration) -> String {
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut rest = duration.as_millis();
    let mut words = Vec::new();
    for (unit, millis) in units {
        if rest >= millis {
            words.push(format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    words.join(" ")
}

fn names(experiment: &ExperimentPlan, limits: &Limits) -> Vec<Refusal> {
    let of_target = experiment.targets.iter().flat_map(|target| &target.identity.names);
    let of_steps = experiment.steps.iter().flat_map(|step| &step.facts.names);
    let mut refusals = Vec::new();
    for name in of_target.chain(of_steps) {
        refusals.extend(protected(name, limits));
        refusals.extend(production(name, limits));
        if let Some(schema) = schema_of(name) {
            refusals.extend(production(&schema, limits));
            refusals.extend(protected(&schema, limits));
        }
    }
    refusals
}

/// Returns the schema of a table, so that a step that names only its tables is held to the rules of their schemas.
fn schema_of(name: &TargetName) -> Option<TargetName> {
    match name.kind {
        NameKind::Table => {
            name.name.split_once('.').map(|(schema, _)| TargetName::new(NameKind::Schema, schema))
        }
        NameKind::Host
        | NameKind::Database
        | NameKind::Schema
        | NameKind::Setting
        | NameKind::Service
        | NameKind::Path
        | NameKind::Process
        | NameKind::Container
        | NameKind::Network => None,
    }
}

fn protected(name: &TargetName, limits: &Limits) -> Option<Refusal> {
    let refuse = |pattern: &str, where_to_change: String| Refusal {
        rule: Rule::Protected,
        value: name.name.clone(),
        limit: pattern.to_owned(),
        message: format!("{} `{}` is protected by `{pattern}`", name.kind, name.name),
        where_to_change,
    };
    if let Some(pattern) = limits.protected.iter().find(|pattern| pattern.matches(name)) {
        return Some(refuse(&pattern.to_string(), limits.place_of("protected")));
    }
    let protects = |pattern: &Option<NamePattern>| pattern.as_ref().is_none_or(|one| one.matches(name));
    let (pattern, _) = ALWAYS.iter().find(|(_, pattern)| protects(pattern))?;
    Some(refuse(pattern, "nowhere: what belongs to the system itself is always protected".to_owned()))
}

fn production(name: &TargetName, limits: &Limits) -> Option<Refusal> {
    let word = limits.production.word_in(name)?;
    Some(Refusal {
        rule: Rule::Production,
        value: name.name.clone(),
        limit: word.to_owned(),
        message: format!("{} `{}` looks like production, because of `{word}`", name.kind, name.name),
        where_to_change: limits.place_of("production.allow"),
    })
}

fn ropes(experiment: &ExperimentPlan, limits: &Limits) -> Vec<Refusal> {
    let without = experiment
        .steps
        .iter()
        .filter_map(|step| Some((step, limits.require_rope.lack_of(step.facts.rope)?)));
    let refused = without.map(|(step, lack)| Refusal {
        rule: Rule::RequireRope,
        value: rope_word(step.facts.rope).to_owned(),
        limit: limits.require_rope.to_string(),
        message: format!("step {} (`{}`) {lack}", step.id, step.fault),
        where_to_change: limits.place_of("require_rope"),
    });
    refused.collect()
}

fn rope_word(rope: Rope) -> &'static str {
    match rope {
        Rope::None => "none",
        Rope::OnTarget { survives_reboot: false } => "until a reboot",
        Rope::OnTarget { survives_reboot: true } => "over a reboot",
        Rope::EndsByItself => "ends by itself",
        Rope::ServerLimit => "a limit of the server",
    }
}

#[cfg(test)]
mod tests;
