//! What a dry run prints: every step with its undo, what ends it without us, and how much it touches.

use std::fmt::Write;

use chaos_core::{ExperimentPlan, Plan, PlannedStep, Quantity, StepFacts, TargetIdentity, TargetRef};
use chaos_engine::report::{duration_words, plain, rope_words};
use chaos_policy::Refusal;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A plan for programs. Unlike the plan in the journal it holds no handles, only what a reader decides by.
#[derive(Serialize, JsonSchema)]
pub struct PlanReport {
    /// The number of this contract.
    schema_version: u32,
    /// The seed that makes the same choices again.
    seed: u64,
    /// Whether policy lets it run.
    approved: bool,
    /// What policy has against it.
    #[schemars(with = "Vec<Value>")]
    refusals: Vec<Refusal>,
    /// The experiments in order.
    experiments: Vec<ExperimentReport>,
}

#[derive(Serialize, JsonSchema)]
struct ExperimentReport {
    name: String,
    hold_ms: u64,
    parallel: bool,
    /// The target, the first one where there are several.
    #[schemars(with = "Option<Value>")]
    target: Option<TargetIdentity>,
    /// All targets, in the order of the file.
    targets: Vec<TargetReport>,
    /// Members of the targets that did not answer and are left out, because that is allowed.
    skipped: Vec<String>,
    /// What else there is to know of the targets.
    notes: Vec<String>,
    steps: Vec<StepReport>,
}

#[derive(Serialize, JsonSchema)]
struct TargetReport {
    /// Its name below `targets:`; empty where the experiment has one `target`.
    name: String,
    /// Which of the systems of its configuration it is; empty where that stands for one system only.
    member: String,
    kind: String,
    #[schemars(with = "Value")]
    identity: TargetIdentity,
}

#[derive(Serialize, JsonSchema)]
struct StepReport {
    id: u32,
    fault: String,
    summary: String,
    /// The place of its target among the targets.
    target: usize,
    /// The steps of one wave act side by side on their targets.
    wave: u32,
    #[serde(flatten)]
    #[schemars(with = "Value")]
    facts: StepFacts,
}

impl PlanReport {
    /// Takes what a reader decides by.
    pub fn new(plan: &Plan, refusals: &[Refusal]) -> Self {
        Self {
            schema_version: 1,
            seed: plan.seed,
            approved: refusals.is_empty(),
            refusals: refusals.to_vec(),
            experiments: plan.experiments.iter().map(experiment_report).collect(),
        }
    }
}

fn experiment_report(experiment: &ExperimentPlan) -> ExperimentReport {
    let target = |target: &TargetRef| TargetReport {
        name: target.name.clone(),
        member: target.member.clone(),
        kind: target.kind.clone(),
        identity: target.identity.clone(),
    };
    let step = |step: &PlannedStep| StepReport {
        id: step.id.0,
        fault: step.fault.clone(),
        summary: step.summary.clone(),
        target: step.target,
        wave: step.wave,
        facts: step.facts.clone(),
    };
    ExperimentReport {
        name: experiment.name.clone(),
        hold_ms: milliseconds(experiment),
        parallel: experiment.parallel,
        target: experiment.targets.first().map(|target| target.identity.clone()),
        targets: experiment.targets.iter().map(target).collect(),
        skipped: experiment.skipped.clone(),
        notes: experiment.notes.clone(),
        steps: experiment.steps.iter().map(step).collect(),
    }
}

fn milliseconds(experiment: &ExperimentPlan) -> u64 {
    u64::try_from(experiment.hold.as_millis()).unwrap_or(u64::MAX)
}

fn counted(count: usize, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}

/// Returns a plan for people.
pub fn render(plan: &Plan) -> String {
    let mut text = String::new();
    let steps: usize = plan.experiments.iter().map(|experiment| experiment.steps.len()).sum();
    // Writing into a String cannot fail, here and below.
    let experiments = counted(plan.experiments.len(), "experiment");
    let _ = writeln!(text, "Plan: {experiments}, {}, seed {}", counted(steps, "step"), plan.seed);
    for experiment in &plan.experiments {
        let side = if experiment.parallel { ", side by side" } else { "" };
        let _ = writeln!(text, "\nExperiment {}", plain(&experiment.name));
        let is_alone = experiment.targets.len() == 1;
        for target in &experiment.targets {
            let identity = &target.identity;
            let name = if is_alone { String::new() } else { format!("{}: ", plain(&target.title())) };
            let _ =
                writeln!(text, "  Target  {name}{}, {}", plain(&identity.product), plain(&identity.label));
        }
        for note in &experiment.notes {
            let _ = writeln!(text, "  Note    {}", plain(note));
        }
        for skipped in &experiment.skipped {
            let _ = writeln!(text, "  Skipped {}", plain(skipped));
        }
        let _ = writeln!(text, "  Hold    {}{side}", duration_words(milliseconds(experiment)));
        if experiment.steps.is_empty() {
            let _ = writeln!(text, "  No steps: the faults found nothing to do.");
        }
        for step in &experiment.steps {
            let on = experiment.target_of(step).filter(|_| !is_alone);
            let on = on.map(|target| format!(" on {}", plain(&target.title()))).unwrap_or_default();
            let _ = writeln!(text, "  {:>3}  {}{on}: {}", step.id, plain(&step.fault), plain(&step.summary));
            let _ = writeln!(text, "       undo:       {}", plain(&step.facts.undo));
            let _ = writeln!(text, "       without us: {}", rope_words(step.facts.rope));
            let _ = writeln!(text, "       touches:    {}", quantity_words(&step.facts.quantity));
        }
    }
    text.push_str("\nDry run: nothing was changed.\n");
    text
}

fn quantity_words(quantity: &Quantity) -> String {
    let units = [
        (quantity.rows, "row"),
        (quantity.tables, "table"),
        (quantity.connections, "connection"),
        (quantity.hosts, "host"),
        (quantity.pods, "pod"),
    ];
    let words: Vec<String> = units
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if words.is_empty() { "nothing that is counted".to_owned() } else { words.join(", ") }
}
