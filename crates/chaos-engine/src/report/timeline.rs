//! Where the bars of the timeline stand. Pure geometry, in thousandths of the whole width.

use jiff::Timestamp;
use serde::Serialize;

use super::details::{Mood, step_mood};
use super::model::{ExperimentReport, RunReport, StepReport};
use super::words;

/// The width that all positions are shares of.
const WIDTH: f64 = 1000.0;

/// A bar is never thinner than this, so that a fast phase can still be seen.
const BAR_MIN: f64 = 3.0;

/// How many parts the axis is divided into.
const TICKS: u32 = 4;

/// The timeline of one run.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    rows: Vec<Row>,
    ticks: Vec<Tick>,
}

#[derive(Debug, Serialize)]
struct Row {
    label: String,
    is_experiment: bool,
    bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
struct Bar {
    kind: &'static str,
    x: f64,
    width: f64,
    title: String,
}

#[derive(Debug, Serialize)]
struct Tick {
    percent: f64,
    label: String,
}

/// Returns the timeline of a run; `None` where nothing took any time at all.
pub(super) fn timeline(report: &RunReport) -> Option<Timeline> {
    let (start, end) = (report.started_at?, report.ended_at?);
    let scale = Scale::new(start, end)?;
    let mut rows = Vec::new();
    for experiment in &report.experiments {
        rows.push(experiment_row(experiment, scale));
        rows.extend(experiment.steps.iter().map(|step| step_row(step, experiment, scale)));
    }
    let ticks = (0..=TICKS).map(|tick| scale.tick(tick)).collect();
    Some(Timeline { rows, ticks })
}

#[derive(Clone, Copy)]
struct Scale {
    start: Timestamp,
    end: Timestamp,
    milliseconds: f64,
}

impl Scale {
    fn new(start: Timestamp, end: Timestamp) -> Option<Self> {
        let milliseconds = end.duration_since(start).as_secs_f64() * 1000.0;
        (milliseconds > 0.0).then_some(Self { start, end, milliseconds })
    }

    fn x(self, at: Timestamp) -> f64 {
        let passed = at.duration_since(self.start).as_secs_f64() * 1000.0;
        (passed / self.milliseconds * WIDTH).clamp(0.0, WIDTH)
    }

    fn bar(
        self,
        kind: &'static str,
        words: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Option<Bar> {
        let from = from?;
        // What has no end yet reaches to the last thing that happened.
        let to = to.unwrap_or(self.end);
        let x = self.x(from).min(WIDTH - BAR_MIN);
        let width = (self.x(to) - x).max(BAR_MIN);
        let took = u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0);
        Some(Bar {
            kind,
            x: round(x),
            width: round(width),
            title: format!("{words}, {}", words::duration(took)),
        })
    }

    fn tick(self, tick: u32) -> Tick {
        let share = f64::from(tick) / f64::from(TICKS);
        // A tick label needs no more than whole milliseconds, and a run is shorter than 2^53 of them.
        let passed = (self.milliseconds * share).round() as u64;
        Tick { percent: share * 100.0, label: words::duration(passed) }
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn experiment_row(experiment: &ExperimentReport, scale: Scale) -> Row {
    let rollback = experiment.rollback_started_at;
    let end_of_inject = experiment.hold_started_at.or(rollback).or(experiment.ended_at);
    let bars = [
        scale.bar("inject", "injecting", experiment.started_at, end_of_inject),
        scale.bar("hold", "hold", experiment.hold_started_at, rollback),
        scale.bar("rollback", "rolling back", rollback, experiment.ended_at),
    ];
    Row { label: experiment.name.clone(), is_experiment: true, bars: bars.into_iter().flatten().collect() }
}

fn step_row(step: &StepReport, experiment: &ExperimentReport, scale: Scale) -> Row {
    let kind = match step_mood(step) {
        Mood::Good | Mood::Quiet | Mood::Strong => "active",
        Mood::Bad => "bad",
        Mood::Doubtful => "doubtful",
    };
    let in_effect = if step.found_undone { "in effect at most" } else { "in effect" };
    let acting = step.injected_at.or(experiment.rollback_started_at).or(step.reverted_at);
    let bars = [
        scale.bar("injecting", "injecting", step.intended_at, acting),
        scale.bar(kind, in_effect, step.injected_at, step.reverted_at),
    ];
    let label = format!("{} {}", step.id, step.fault);
    Row { label, is_experiment: false, bars: bars.into_iter().flatten().collect() }
}

#[cfg(test)]
mod tests {
    use super::super::{fold, samples};
    use super::*;

    #[test]
    fn every_bar_lies_inside_the_picture_whatever_prefix_of_the_run_is_drawn() {
        let records = samples::conflict();
        for count in 0..=records.len() {
            let Some(timeline) = timeline(&fold(&records[..count])) else { continue };
            for bar in timeline.rows.iter().flat_map(|row| &row.bars) {
                assert!(bar.x >= 0.0 && bar.width >= BAR_MIN, "{bar:?}");
                assert!(bar.x + bar.width <= WIDTH + 0.01, "{bar:?}");
            }
        }
    }
}
