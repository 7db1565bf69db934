//! The report for build servers: one suite an experiment, one case a step.

use std::time::Duration;

use chaos_core::StepState;
use quick_junit::{NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::details::details;
use super::model::{ExperimentReport, RunReport, StepReport};
use super::words::plain;

pub(super) fn render(report: &RunReport) -> Result<String, SerializeError> {
    let run = report.run_id.as_ref().map_or("(unknown)", |run| run.as_str());
    let mut junit = Report::new(format!("chaos run {run}"));
    junit.set_time(Duration::from_millis(report.duration_ms));
    for experiment in &report.experiments {
        junit.add_test_suite(suite(experiment));
    }
    let mut text = junit.to_string()?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn suite(experiment: &ExperimentReport) -> TestSuite {
    let mut suite = TestSuite::new(plain(&experiment.name));
    for target in &experiment.targets {
        suite.add_property(Property::new("target", plain(&target.label)));
    }
    for skipped in &experiment.skipped {
        suite.add_property(Property::new("skipped", plain(skipped)));
    }
    suite.add_property(Property::new("status", experiment.status.word()));
    suite.add_test_cases(experiment.steps.iter().map(|step| case(step, experiment)));
    suite
}

fn case(step: &StepReport, experiment: &ExperimentReport) -> TestCase {
    let name = format!("{}: {}", step.id, plain(&step.what()));
    let mut case = TestCase::new(name, status(step));
    case.set_classname(plain(&step.fault));
    if let (Some(start), Some(end)) = (step.intended_at, step.reverted_at.or(experiment.ended_at)) {
        let took = u64::try_from(end.duration_since(start).as_millis()).unwrap_or(0);
        case.set_time(Duration::from_millis(took));
    }
    let lines: Vec<String> =
        details(step).into_iter().map(|detail| format!("{}: {}", detail.name, detail.text)).collect();
    if !lines.is_empty() {
        case.set_system_out(lines.join("\n"));
    }
    case
}

/// A failed fault is a failure. Something left behind is an error, which build servers show louder.
fn status(step: &StepReport) -> TestCaseStatus {
    match step.state {
        StepState::Reverted | StepState::Accepted => match &step.error {
            Some(error) => not_passed(NonSuccessKind::Failure, "fault_failed", &plain(error)),
            None => TestCaseStatus::success(),
        },
        StepState::Planned => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("not run");
            status
        }
        StepState::Conflict => {
            let message = format!("{} conflicts left as they are", step.conflicts_total);
            not_passed(NonSuccessKind::Error, "conflict", &message)
        }
        StepState::Stuck => {
            let message = step.undo_error.as_deref().map_or_else(String::new, plain);
            not_passed(NonSuccessKind::Error, "stuck", &message)
        }
        StepState::Intended | StepState::Armed | StepState::Injected => {
            not_passed(NonSuccessKind::Error, "not_undone", "the undo was not seen")
        }
    }
}

fn not_passed(kind: NonSuccessKind, word: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(word);
    status.set_message(message);
    status
}
