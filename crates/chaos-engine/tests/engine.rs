//! The engine over worlds in memory: runs, broken faults, stops, conflicts, targets that are not what they were.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is off")]

mod common;

use chaos_core::{ExitCode, RecordBody, StepState};
use chaos_engine::journal::read;
use chaos_engine::{RecoverOptions, StopReason, StopSignal};
use chaos_policy::{Limits, Rule, review};
use chaos_testkit::{FakeWorld, World};
use common::{SECRET, Setup, lock, set};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_run_holds_and_restores() {
    let setup = Setup::new(3);
    let before = setup.world.dump();
    let outcome = setup.run(vec![set(json!({"cells": ["cell_1"]})), set(json!({"cells": ["cell_2"]}))]).await;
    assert_eq!(outcome.exit, ExitCode::Done);
    assert_eq!(setup.world.dump(), before);
    assert!(setup.engine().unresolved().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_experiment_of_a_run_acts_on_its_own_target() {
    let setup = Setup::new(3);
    let before = (setup.world.dump(), setup.second.dump());
    let requests = [&setup.world, &setup.second].map(|world| setup.request(world, vec![set(json!({}))]));
    let outcome = setup.run_all(requests.into(), &StopSignal::default()).await;
    assert_eq!(outcome.exit, ExitCode::Done);
    for world in [&setup.world, &setup.second] {
        assert!(world.fuse().unwrap().count() > 4, "`{}` was not acted on", world.name());
    }
    assert_eq!((setup.world.dump(), setup.second.dump()), before);
}

#[tokio::test(start_paused = true)]
async fn count_is_honoured_and_later_uses_are_undone_first() {
    let setup = Setup::new(1);
    let before = setup.world.dump();
    let mut twice = set(json!({}));
    twice.count = 2;
    let outcome = setup.run(vec![twice]).await;
    let records = read(&outcome.journal).unwrap().records;
    let undone: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.body {
            RecordBody::Reverted { step, .. } => Some(step.0),
            _ => None,
        })
        .collect();
    assert_eq!(undone, [2, 1]);
    assert_eq!(setup.world.dump(), before);
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_fails_half_way_is_undone_too() {
    for (trouble, parallel) in [("fail", false), ("fail", true), ("panic", false), ("panic", true)] {
        let mut setup = Setup::new(4);
        setup.parallel = parallel;
        let before = setup.world.dump();
        let half = set(json!({"cells": ["cell_1", "cell_2", "cell_3"], "trouble": trouble}));
        let outcome = setup.run(vec![set(json!({"cells": ["cell_4"]})), half]).await;
        assert_eq!(outcome.exit, ExitCode::FaultFailed, "{trouble}");
        setup.assert_clean(&before, trouble);
    }
}

#[tokio::test(start_paused = true)]
async fn parallel_faults_live_at_the_same_time_and_one_failure_ends_all() {
    let setup = Setup::new(2).parallel();
    let before = setup.world.dump();
    let uses = vec![
        set(json!({"cells": ["cell_1"], "trouble": "slow"})),
        set(json!({"cells": ["cell_2"], "trouble": "fail"})),
    ];
    let outcome = setup.run(uses).await;
    assert_eq!(outcome.exit, ExitCode::FaultFailed);
    assert_eq!(setup.world.dump(), before);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_hold_and_restores() {
    let setup = Setup::new(2);
    let before = setup.world.dump();
    let stop = StopSignal::default();
    let running = setup.run_with(vec![set(json!({}))], &stop);
    let asking = async {
        setup.until(|world| world.value("cell_1").as_deref() == Some("chaos")).await;
        stop.stop(StopReason::Terminated);
    };
    let (outcome, ()) = tokio::join!(running, asking);
    assert_eq!(outcome.exit, ExitCode::Terminated);
    assert_eq!(setup.world.dump(), before);
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_is_lost_during_the_hold_has_failed() {
    let setup = Setup::new(2);
    let before = setup.world.dump();
    let running = setup.run(vec![lock(json!({"cells": ["cell_1"]}))]);
    let ending = async {
        setup.until_journal_holds("hold_started").await;
        assert_eq!(setup.world.end_locks(), 1);
    };
    let (outcome, ()) = tokio::join!(running, ending);
    assert_eq!(outcome.exit, ExitCode::FaultFailed);
    setup.assert_clean(&before, "after a lost lock");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_an_inject_that_goes_on_and_on() {
    let setup = Setup::new(2);
    let before = setup.world.dump();
    let stop = StopSignal::default();
    let running = setup.run_with(vec![set(json!({"trouble": "slow"}))], &stop);
    let asking = async {
        setup.until(|world| !world.helper_names().is_empty()).await;
        stop.stop(StopReason::Interrupted);
    };
    let (outcome, ()) = tokio::join!(running, asking);
    assert_eq!(outcome.exit, ExitCode::Interrupted);
    assert_eq!(setup.world.dump(), before);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_wrote_stays_and_is_reported_until_accepted() {
    let setup = Setup::new(2);
    let stop = StopSignal::default();
    let running = setup.run_with(vec![set(json!({}))], &stop);
    let writing = async {
        setup.until(|world| world.value("cell_2").as_deref() == Some("chaos")).await;
        setup.world.foreign_write("cell_2", "theirs");
    };
    let (outcome, ()) = tokio::join!(running, writing);
    assert_eq!(outcome.exit, ExitCode::LeftBehind);
    assert_eq!(setup.world.value("cell_1").as_deref(), Some("value 1"));
    assert_eq!(setup.world.value("cell_2").as_deref(), Some("theirs"));

    let engine = setup.engine();
    let again = engine.recover(&outcome.run, &RecoverOptions::default()).await.unwrap();
    assert_eq!(again.exit, ExitCode::LeftBehind);
    let accept = RecoverOptions { accept_conflicts: true, ..RecoverOptions::default() };
    let accepted = engine.recover(&outcome.run, &accept).await.unwrap();
    assert_eq!(accepted.exit, ExitCode::Done);
    assert_eq!(setup.world.value("cell_2").as_deref(), Some("theirs"));
    assert!(setup.world.helper_names().is_empty());
    assert!(engine.unresolved().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_answer_is_tried_again() {
    let setup = Setup::new(2);
    let before = setup.world.dump();
    let stop = StopSignal::default();
    let running = setup.run_with(vec![set(json!({}))], &stop);
    let cutting = async {
        setup.until(|world| world.value("cell_2").as_deref() == Some("chaos")).await;
        setup.world.refuse(5);
    };
    let (outcome, ()) = tokio::join!(running, cutting);
    assert_eq!(outcome.exit, ExitCode::Done);
    assert_eq!(setup.world.dump(), before);
}

#[tokio::test(start_paused = true)]
async fn an_undo_after_the_hold_uses_a_connection_that_is_said_to_be_there() {
    for keeps in [true, false] {
        let setup = Setup::new(2);
        let before = setup.world.dump();
        let stop = StopSignal::default();
        let running = setup.run_with(vec![set(json!({}))], &stop);
        let cutting = async {
            setup.until(|world| world.value("cell_2").as_deref() == Some("chaos")).await;
            if keeps {
                setup.world.keep_connections();
            }
            setup.world.refuse(2);
        };
        let (outcome, ()) = tokio::join!(running, cutting);
        assert_eq!(outcome.exit, ExitCode::Done);
        assert_eq!(setup.world.dump(), before);
        let journal = std::fs::read_to_string(&outcome.journal).unwrap();
        assert_eq!(journal.matches("revert_failed").count(), if keeps { 0 } else { 2 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_gone_leaves_every_step_stuck_and_a_recovery_undoes_them() {
    let mut setup = Setup::new(2);
    // Patience is measured on the real clock, which does not stand still with the runtime's.
    setup.options.rollback_patience = std::time::Duration::from_millis(1);
    let before = setup.world.dump();
    let stop = StopSignal::default();
    let uses = vec![set(json!({"cells": ["cell_1"]})), set(json!({"cells": ["cell_2"]}))];
    let running = setup.run_with(uses, &stop);
    let cutting = async {
        setup.until(|world| world.value("cell_2").as_deref() == Some("chaos")).await;
        setup.world.refuse(u32::MAX);
    };
    let (outcome, ()) = tokio::join!(running, cutting);
    assert_eq!(outcome.exit, ExitCode::LeftBehind);
    setup.world.refuse(0);
    let recovered = setup.engine().recover(&outcome.run, &RecoverOptions::default()).await.unwrap();
    assert_eq!(recovered.exit, ExitCode::Done);
    assert_eq!(setup.world.dump(), before);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_refused_is_not_tried_again_for_a_step() {
    let setup = Setup::new(1);
    let before = setup.world.dump();
    let stop = StopSignal::default();
    let running = setup.run_with(vec![set(json!({"cells": ["cell_1"]}))], &stop);
    let locking = async {
        setup.until(|world| world.value("cell_1").as_deref() == Some("chaos")).await;
        setup.world.lock_out(true);
    };
    let (outcome, ()) = tokio::join!(running, locking);
    assert_eq!(outcome.exit, ExitCode::LeftBehind);
    let records = read(&outcome.journal).unwrap().records;
    let failed =
        records.iter().filter(|record| matches!(record.body, RecordBody::RevertFailed { .. })).count();
    assert_eq!(failed, 1);
    setup.world.lock_out(false);
    let recovered = setup.engine().recover(&outcome.run, &RecoverOptions::default()).await.unwrap();
    assert_eq!(recovered.exit, ExitCode::Done);
    assert_eq!(setup.world.dump(), before);
}

#[tokio::test(start_paused = true)]
async fn a_start_over_a_dirty_target_undoes_the_dead_run_first() {
    let setup = Setup::new(3);
    let before = setup.world.dump();
    setup.run_until_death(common::several(), 3).await;
    let outcome = setup.run(vec![lock(json!({"cells": ["cell_1"]}))]).await;
    assert_eq!(outcome.exit, ExitCode::Done);
    assert_eq!(setup.world.dump(), before);
    assert!(setup.engine().unresolved().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_start_over_a_target_with_conflicts_is_refused() {
    let setup = Setup::new(2);
    let stop = StopSignal::default();
    let running = setup.run_with(vec![set(json!({}))], &stop);
    let writing = async {
        setup.until(|world| world.value("cell_2").as_deref() == Some("chaos")).await;
        setup.world.foreign_write("cell_2", "theirs");
    };
    tokio::join!(running, writing);
    let refused = setup.prepare(vec![set(json!({}))]).await.err().unwrap();
    assert!(refused.to_string().contains("has left something there"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn another_system_behind_the_same_name_is_not_touched() {
    let setup = Setup::new(2);
    setup.run_until_death(vec![set(json!({}))], 4).await;
    let dead = setup.engine().unresolved().unwrap().remove(0);
    let other = setup.replaced_by(FakeWorld::new("other", 2));
    let outcome = other.engine().recover(&dead.run, &RecoverOptions::default()).await.unwrap();
    assert_eq!(outcome.exit, ExitCode::LeftBehind);
    assert!(outcome.steps.iter().all(|(_, state)| *state == StepState::Stuck));
    assert_eq!(other.world.dump(), FakeWorld::new("other", 2).dump());
}

#[tokio::test(start_paused = true)]
async fn nothing_secret_is_in_the_state_directory() {
    let setup = Setup::new(3);
    setup.run_until_death(common::several(), 3).await;
    let mut files = 0;
    for entry in std::fs::read_dir(setup.runs()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(SECRET), "{text}");
        files += 1;
    }
    assert_eq!(files, 2, "a journal and a lock");
}

#[tokio::test(start_paused = true)]
async fn a_lock_and_a_write_on_one_cell_are_refused_before_anything_happens() {
    let setup = Setup::new(3);
    let before = setup.world.dump();
    let uses = vec![lock(json!({"cells": ["cell_1"]})), set(json!({}))];
    let prepared = setup.prepare(uses).await.unwrap();
    let refusals = review(prepared.plan, &Limits::default()).unwrap_err();
    assert_eq!(refusals[0].rule, Rule::Blocking);
    setup.assert_clean(&before, "after the refusal");
}

#[tokio::test(start_paused = true)]
async fn what_the_target_has_undone_by_itself_is_a_good_undo_and_said_to_be() {
    let setup = Setup::new(3);
    let before = setup.world.dump();
    let stop = StopSignal::default();
    // Its lock ends with the process, as a deadline on the target does.
    tokio::select! {
        _ = setup.run_with(common::several(), &stop) => panic!("it lived"),
        () = setup.until_journal_holds("hold_started") => {}
    }
    let outcome = setup.engine().recover(&setup.run_id(), &RecoverOptions::default()).await.unwrap();
    assert_eq!(outcome.exit, ExitCode::Done);
    assert_eq!(outcome.already_undone.iter().map(|step| step.0).collect::<Vec<_>>(), [3]);
    setup.assert_clean(&before, "after the recovery");
}
