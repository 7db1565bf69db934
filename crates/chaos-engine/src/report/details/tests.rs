//! Which of these lines a reader gets to see, and which not.

use chaos_core::RecordBody;

use super::super::{Format, RunReport, fold, samples};
use super::*;

/// A run that failed, with this to end each of its steps without us.
fn report(rope: Rope) -> RunReport {
    let mut records = samples::failed();
    for record in &mut records {
        match &mut record.body {
            RecordBody::Planned { plan } => {
                plan.experiments[0].steps.iter_mut().for_each(|step| step.facts.rope = rope);
            }
            RecordBody::Intended { planned, .. } => planned.facts.rope = rope,
            _ => {}
        }
    }
    fold(&records)
}

fn tells_of_reboots(format: Format, rope: Rope) -> bool {
    format.render(&report(rope)).unwrap().contains("a reboot of the target would lose the deadline")
}

#[test]
fn a_deadline_that_a_reboot_would_lose_is_told_in_every_form_that_people_read() {
    let (fleeting, lasting) =
        (Rope::OnTarget { survives_reboot: false }, Rope::OnTarget { survives_reboot: true });
    for format in [Format::Text, Format::Markdown, Format::Html] {
        assert!(tells_of_reboots(format, fleeting), "{}", format.name());
        for rope in [lasting, Rope::ServerLimit, Rope::EndsByItself, Rope::None] {
            assert!(!tells_of_reboots(format, rope), "{}: {rope:?}", format.name());
        }
    }
}

#[test]
fn a_step_that_was_never_begun_is_told_without_its_deadline() {
    let mut report = report(Rope::OnTarget { survives_reboot: false });
    let step = &mut report.experiments[0].steps[0];
    step.state = StepState::Planned;
    assert!(details(step).iter().all(|detail| detail.name != "without us"), "{:?}", details(step));
}

#[test]
fn a_fault_that_failed_to_act_is_told_with_that_and_not_with_what_was_missing_at_the_end() {
    let mut records = samples::failed();
    let place = records.iter().position(|record| matches!(record.body, RecordBody::Failed { .. })).unwrap();
    let mut later = records[place].clone();
    if let RecordBody::Failed { error, hint, .. } = &mut later.body {
        *error = "see the effect at the end of the hold".to_owned();
        *hint = Some("look for it".to_owned());
    }
    records.insert(place + 1, later);
    let report = fold(&records);
    let step = &report.experiments[0].steps[1];
    assert_eq!(step.error.as_deref(), Some("update `public.users`: deadlock detected"));
    assert_eq!(step.hint, None);
}
