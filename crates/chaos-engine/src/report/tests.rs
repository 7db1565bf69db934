//! What the fold says of hand-made journals, and what every form makes of it.

use chaos_core::{Record, RecordBody, RevertOutcome, Reverted, StepState};
use expect_test::{Expect, expect, expect_file};

use super::model::{ExperimentStatus, RunStatus};
use super::{
    Format, HistoryEntry, StatusReport, UnresolvedReport, UnresolvedState, fold, fold_journal, samples,
};
use crate::journal::{Damage, JournalContents};
use crate::recover::UnresolvedRun;

fn check_text(records: &[Record], expected: Expect) {
    expected.assert_eq(&Format::Text.render(&fold(records)).unwrap());
}

#[test]
fn a_run_that_went_well_reads_well() {
    check_text(
        &samples::completed(),
        expect![[r#"
            Run 20261121-084512-k3vq: completed, exit code 0
            Started 2026-11-21 08:45:12 UTC, took 1m 1s, seed 42

            Experiment shop load: completed
              Target    PostgreSQL 15.18, postgres://chaos@127.0.0.1:5432/shop
              Hold      1m of 1m
              Rollback  the hold of 1m is over
                1  db.insert_load    reverted   insert 1000 rows into public.users
                   did: rows 1000
                   undone: rows 1000; read back
                   note: sequence public.users_id_seq has moved on by 1000
                2  db.config_change  reverted   set work_mem to 4MB
                   did: rows 1000
                   measured: samples 12
                   undone: rows 1; read back

            Everything was undone and read back: 2 steps.
        "#]],
    );
}

#[test]
fn a_conflict_is_told_with_what_to_do() {
    check_text(
        &samples::conflict(),
        expect![[r#"
            Run 20261121-084512-k3vq: left behind, exit code 5
            Started 2026-11-21 08:45:12 UTC, took 2s 610ms, seed 42

            Experiment shop load: left behind
              Target    PostgreSQL 15.18, postgres://chaos@127.0.0.1:5432/shop
              Hold      2s 10ms of 1m
              Rollback  the hold of 1m is over
                1  db.insert_load  conflict   insert 1000 rows into public.users
                   did: rows 1000
                   undone: rows 979; read back
                   conflict: row (id)=(0) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(1) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(2) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(3) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(4) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(5) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(6) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(7) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(8) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(9) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(10) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(11) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(12) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(13) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(14) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(15) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(16) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(17) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(18) of public.users: changed since by somebody else, left as it is
                   conflict: row (id)=(19) of public.users: changed since by somebody else, left as it is
                   conflict: and 1 more

            Changed by somebody else meanwhile, and left as it is: 21. When that is right, accept it with `chaos recover 20261121-084512-k3vq --accept-conflicts`.
        "#]],
    );
}

#[test]
fn a_stuck_step_is_told_with_its_cause() {
    check_text(
        &samples::stuck(),
        expect![[r#"
            Run 20261121-084512-k3vq: left behind, exit code 5
            Started 2026-11-21 08:45:12 UTC, took 1s 180ms, seed 42

            Experiment shop load: left behind
              Target    PostgreSQL 15.18, postgres://chaos@127.0.0.1:5432/shop
              Hold      10ms of 1m
              Rollback  the hold of 1m is over
                1  db.insert_load    stuck      insert 1000 rows into public.users
                   did: rows 1000
                   undo: take back what was done, and read it back
                   undo failed: connect to `127.0.0.1:5432`: connection refused
                   hint: start the server, then run `chaos recover`
                2  db.config_change  reverted   set work_mem to 4MB
                   did: rows 1000
                   undone: rows 1; read back

            1 step may have left something behind; undo it with `chaos recover 20261121-084512-k3vq`.
        "#]],
    );
}

#[test]
fn a_failed_fault_is_told_although_it_is_undone() {
    check_text(
        &samples::failed(),
        expect![[r#"
            Run 20261121-084512-k3vq: failed, exit code 4
            Started 2026-11-21 08:45:12 UTC, took 660ms, seed 42

            Experiment shop load: failed
              Target    PostgreSQL 15.18, postgres://chaos@127.0.0.1:5432/shop
              Hold      1m, not begun
              Rollback  a fault failed
                1  db.insert_load  reverted   insert 1000 rows into public.users
                   did: rows 1000
                   undone: rows 1000; read back
                2  db.insert_load  failed     update 10 rows of public.users
                   undone: read back, nothing of ours was there
                   error: update `public.users`: deadlock detected

            Everything was undone and read back: 2 steps.
        "#]],
    );
}

#[test]
fn a_crashed_run_has_a_report() {
    check_text(
        &samples::crashed(),
        expect![[r#"
            Run 20261121-084512-k3vq: unfinished
            Started 2026-11-21 08:45:12 UTC, took 1s 100ms, seed 42

            Experiment shop load: unfinished
              Target    PostgreSQL 15.18, postgres://chaos@127.0.0.1:5432/shop
              Hold      1m, end not seen
                1  db.insert_load    injected   insert 1000 rows into public.users
                   did: rows 1000
                   undo: take back what was done, and read it back
                2  db.config_change  injected   set work_mem to 4MB
                   did: rows 1000
                   undo: take back what was done, and read it back

            2 steps may have left something behind; undo it with `chaos recover 20261121-084512-k3vq`.
        "#]],
    );
}

#[test]
fn a_hold_that_nobody_saw_end_is_told_as_that() {
    let hold = |records: &[Record]| {
        let text = Format::Text.render(&fold(records)).unwrap();
        text.lines().find_map(|line| line.trim().strip_prefix("Hold ")).unwrap().trim().to_owned()
    };
    assert_eq!(hold(&samples::recovered()), "1m 28s of 1m");
    assert_eq!(hold(&samples::found_undone(&[])), "1m 28s of 1m");
    assert_eq!(hold(&samples::found_undone(&[1, 2])), "1m 28s of 1m, until it was found undone");
    assert_eq!(hold(&samples::found_undone(&[2])), "1m 28s of 1m; found undone then: 1 of 2 steps");
    // The effect outlasted a hold that the run saw to its end.
    assert!(!hold(&samples::undone_late()).contains("found undone"));
}

#[test]
fn what_several_attempts_restored_is_told_as_a_whole() {
    let undone = |parts: &[Reverted]| {
        let text = Format::Text.render(&fold(&samples::undone_in_parts(parts))).unwrap();
        text.lines().find_map(|line| line.trim().strip_prefix("undone: ")).unwrap().to_owned()
    };
    let already = |rows| Reverted { outcome: RevertOutcome::AlreadyUndone, ..samples::restored(rows) };
    let nothing = |rows| Reverted { outcome: RevertOutcome::NothingToDo, ..samples::restored(rows) };
    assert_eq!(undone(&[]), "rows 979; read back");
    assert_eq!(undone(&[nothing(0)]), "rows 979; read back");
    assert_eq!(undone(&[Reverted::new(RevertOutcome::NothingToDo)]), "rows 979; read back");
    assert_eq!(undone(&[samples::restored(1000)]), "rows 1000; read back");
    assert_eq!(undone(&[already(979), already(1000)]), "rows 1000; read back, had been undone before");
}

#[test]
fn hostile_names_stay_inside_their_lines() {
    check_text(
        &samples::hostile(),
        expect![[r#"
            Run 20261121-084512-k3vq: left behind, exit code 5
            Started 2026-11-21 08:45:12 UTC, took 600ms, seed 42

            Experiment </title><script>alert("1")</script> & 'x' | `y`: left behind
              Target    PostgreSQL 15.18, postgres://127.0.0.1/a"b'c<d>&e
              Hold      1m, not begun
              Rollback  <b>because</b>
                1  db.insert_load  conflict   insert 1 row into public."<img src=x onerror=alert(1)>"\u{1b}[31m\nRun: completed
                   did: rows 1000
                   undone: rows 1; read back
                   note: ]]></system-out><failure/>
                   conflict: row ("</td>"): \u{202e}gone\u{0}

            Changed by somebody else meanwhile, and left as it is: 1. When that is right, accept it with `chaos recover 20261121-084512-k3vq --accept-conflicts`.
        "#]],
    );
}

#[test]
fn the_json_form_keeps_its_contract() {
    expect_file!["snapshots/completed.json"]
        .assert_eq(&Format::Json.render(&fold(&samples::completed())).unwrap());
}

#[test]
fn the_other_forms_of_a_conflict_are_as_expected() {
    let report = fold(&samples::conflict());
    expect_file!["snapshots/conflict.md"].assert_eq(&Format::Markdown.render(&report).unwrap());
    expect_file!["snapshots/conflict.html"].assert_eq(&Format::Html.render(&report).unwrap());
    expect_file!["snapshots/conflict.xml"].assert_eq(&Format::Junit.render(&report).unwrap());
}

#[test]
fn hostile_names_become_no_markup() {
    let report = fold(&samples::hostile());
    let html = Format::Html.render(&report).unwrap();
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b>because"), "{html}");
    let markdown = Format::Markdown.render(&report).unwrap();
    assert!(!markdown.contains("<script") && !markdown.contains("<img"), "{markdown}");
    expect_file!["snapshots/hostile.md"].assert_eq(&markdown);
    let junit = Format::Junit.render(&report).unwrap();
    assert!(!junit.contains("<script") && !junit.contains("<failure/>"), "{junit}");
    expect_file!["snapshots/hostile.xml"].assert_eq(&junit);
}

#[test]
fn nothing_in_the_page_comes_from_elsewhere() {
    let html = Format::Html.render(&fold(&samples::completed())).unwrap();
    for loader in ["src=", "href=", "url(", "@import", "<script"] {
        assert!(!html.contains(loader), "{loader}");
    }
}

#[test]
fn every_prefix_of_every_journal_has_a_report_in_every_form() {
    for records in [samples::completed(), samples::stuck(), samples::recovered(), samples::hostile()] {
        for count in 0..=records.len() {
            let report = fold(&records[..count]);
            for format in Format::ALL {
                format.render(&report).unwrap();
            }
        }
    }
}

#[test]
fn a_step_is_verified_only_once_its_undo_was_read_back() {
    let records = samples::completed();
    for count in 0..=records.len() {
        let read_back = |id: u32| {
            records[..count]
                .iter()
                .any(|record| matches!(&record.body, RecordBody::Reverted { step, .. } if step.0 == id))
        };
        for step in fold(&records[..count]).steps() {
            assert_eq!(step.verified, read_back(step.id), "step {} after {count} records", step.id);
            assert_eq!(step.state == StepState::Reverted, step.verified);
        }
    }
}

#[test]
fn without_its_intent_a_step_that_acted_still_counts_as_open() {
    let mut records = samples::crashed();
    records.retain(|record| {
        !matches!(
            &record.body,
            RecordBody::Planned { .. } | RecordBody::Intended { .. } | RecordBody::Armed { .. }
        )
    });
    let report = fold(&records);
    assert_eq!(report.open_steps().count(), 2);
    assert_eq!(report.status, RunStatus::Unfinished);
}

#[test]
fn who_undid_a_crashed_run_is_told() {
    let report = fold(&samples::recovered());
    assert_eq!(report.status, RunStatus::Recovered);
    assert_eq!(report.experiments[0].status, ExperimentStatus::Recovered);
    assert_eq!(report.exit_code, Some(0));
    let text = Format::Text.render(&report).unwrap();
    assert!(text.ends_with("Everything was undone by a recovery and read back: 2 steps.\n"), "{text}");
}

#[test]
fn a_left_over_step_makes_exit_code_5_whatever_the_run_said() {
    let mut records = samples::completed();
    records.retain(|record| !matches!(&record.body, RecordBody::Reverted { step, .. } if step.0 == 1));
    let report = fold(&records);
    assert_eq!(report.exit_code, Some(5));
    assert_eq!(report.status, RunStatus::LeftBehind);
    assert_eq!(report.experiments[0].status, ExperimentStatus::LeftBehind);
}

#[test]
fn a_recovery_that_died_leaves_the_run_unfinished_again() {
    let mut records = samples::recovered();
    records.truncate(records.len() - 3);
    assert_eq!(fold(&records).status, RunStatus::Unfinished);
}

#[test]
fn a_report_reads_back_from_json() {
    let report = fold(&samples::conflict());
    let text = Format::Json.render(&report).unwrap();
    assert_eq!(serde_json::from_str::<super::RunReport>(&text).unwrap(), report);
}

fn unresolved(records: &[Record]) -> UnresolvedRun {
    let run = "20261121-084512-k3vq".parse().unwrap();
    UnresolvedRun {
        run,
        owner: None,
        state: crate::run_state::RunState::fold(records, true),
        damage: Vec::new(),
    }
}

#[test]
fn status_lists_what_is_open_and_is_clean_only_when_nothing_is() {
    assert!(StatusReport::new(Vec::new()).clean);
    let records = samples::stuck();
    let status = StatusReport::new(vec![UnresolvedReport::new(&unresolved(&records), &fold(&records))]);
    expect![[r#"
        {
          "clean": false,
          "runs": [
            {
              "run_id": "20261121-084512-k3vq",
              "state": "left_behind",
              "open_steps": [
                {
                  "id": 1,
                  "fault": "db.insert_load",
                  "target": "postgres://chaos@127.0.0.1:5432/shop",
                  "summary": "insert 1000 rows into public.users",
                  "state": "stuck",
                  "conflicts_total": 0,
                  "undo_error": "connect to `127.0.0.1:5432`: connection refused"
                }
              ],
              "pid": null,
              "started_at": "2026-11-21T08:45:12Z",
              "journal_damage": []
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&status).unwrap());
}

#[test]
fn a_run_without_end_and_owner_is_told_as_dead() {
    let records = samples::crashed();
    assert_eq!(UnresolvedReport::new(&unresolved(&records), &fold(&records)).state, UnresolvedState::Died);
}

#[test]
fn report_and_engine_agree_on_what_is_open_in_every_prefix() {
    for records in
        [samples::completed(), samples::conflict(), samples::stuck(), samples::failed(), samples::recovered()]
    {
        for count in 0..=records.len() {
            let told: Vec<u32> = fold(&records[..count]).open_steps().map(|step| step.id).collect();
            let state = crate::run_state::RunState::fold(&records[..count], true);
            let mut known: Vec<u32> = state.open_steps().map(|step| step.planned.id.0).collect();
            known.sort_unstable();
            assert_eq!(told, known, "after {count} records");
        }
    }
}

#[test]
fn in_a_damaged_journal_every_planned_step_counts_as_begun() {
    let records = samples::crashed()[..2].to_vec();
    let damage = vec![Damage { line: 3, why: "the line is damaged".to_owned() }];
    let report = fold_journal(&JournalContents { records, damage, ..JournalContents::default() });
    assert_eq!(report.open_steps().count(), 2);
    assert_eq!(report.journal_damage, ["line 3: the line is damaged"]);
}

#[test]
fn a_history_entry_counts_what_was_verified() {
    let run: chaos_core::RunId = "20261121-084512-k3vq".parse().unwrap();
    let entry = HistoryEntry::new(run, &fold(&samples::stuck()));
    assert_eq!((entry.steps, entry.verified, entry.open), (2, 1, 1));
}

#[test]
fn every_form_names_the_target_of_each_step_and_tells_who_was_left_out() {
    let mut records = samples::completed();
    for record in &mut records {
        if let RecordBody::Planned { plan } = &mut record.body {
            let experiment = &mut plan.experiments[0];
            experiment.targets[0].name = "web".to_owned();
            let mut other = experiment.targets[0].clone();
            experiment.targets[0].member = "host-1".to_owned();
            other.member = "host-2".to_owned();
            experiment.targets.push(other);
            experiment.steps[1].target = 1;
            experiment.skipped = vec!["web: host-3: connect to `host-3`".to_owned()];
        }
    }
    let report = fold(&records);
    for format in Format::ALL {
        let text = format.render(&report).unwrap();
        for wanted in ["web/host-1", "web/host-2", "web: host-3: connect to"] {
            // Markdown and HTML write some signs in their own way.
            let plain = text.replace("&#x2f;", "/");
            assert!(plain.contains(wanted), "{}: {wanted} is not in {text}", format.name());
        }
    }
    let steps: Vec<String> = report.steps().map(super::model::StepReport::what).collect();
    let expected = ["web/host-1: insert 1000 rows into public.users", "web/host-2: set work_mem to 4MB"];
    assert_eq!(steps, expected);
}
