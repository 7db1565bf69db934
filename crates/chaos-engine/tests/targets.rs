//! Experiments on several targets, and targets that stand for several systems: the order of things, and that one system in
//! trouble neither stops nor delays the undo of the others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is off")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chaos_core::experiment::FaultUse;
use chaos_core::record::Undoer;
use chaos_core::{ExitCode, Record, RecordBody};
use chaos_engine::journal::read;
use chaos_engine::recover::Credentials;
use chaos_engine::{EngineError, ExperimentRequest, PrepareMode, RecoverOptions, StopReason, StopSignal};
use chaos_policy::{Limits, review};
use chaos_testkit::{CrashingJournal, FakeWorld};
use common::{SECRET, Setup, lock, set};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Longer than a lane may hold the others back, and much shorter than the patience with a system in trouble.
const SOON: Duration = Duration::from_secs(10);

fn on(target: usize, fault_use: FaultUse) -> FaultUse {
    FaultUse { target, ..fault_use }
}

fn world(name: &str) -> Value {
    json!({"world": name, "password": SECRET})
}

/// A setup with the hosts `a`, `b` and `c`, and the configuration that stands for them.
fn hosts() -> (Setup, Value) {
    let mut setup = Setup::new(3);
    setup.others = ["a", "b", "c"].map(|name| FakeWorld::new(name, 2)).to_vec();
    (setup, json!({"worlds": ["a", "b", "c"], "password": SECRET}))
}

fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    config[key] = value;
    config
}

fn dumps(setup: &Setup) -> Vec<String> {
    let two = [&setup.world, &setup.second];
    two.into_iter().chain(&setup.others).map(FakeWorld::dump).collect()
}

/// What happened to the steps, as words: `inject 1`, `undo 1`.
fn story(journal: &Path) -> Vec<String> {
    words(&read(journal).unwrap().records)
}

fn words(records: &[Record]) -> Vec<String> {
    let words = records.iter().filter_map(|record| match &record.body {
        RecordBody::Intended { planned, .. } => Some(format!("intend {}", planned.id)),
        RecordBody::Injected { step, .. } => Some(format!("inject {step}")),
        RecordBody::Reverted { step, .. } => Some(format!("undo {step}")),
        RecordBody::Stuck { step, .. } => Some(format!("stuck {step}")),
        _ => None,
    });
    words.collect()
}

fn place(story: &[String], word: &str) -> usize {
    story.iter().position(|one| one == word).unwrap_or_else(|| panic!("`{word}` is not in {story:?}"))
}

async fn run(setup: &Setup, request: ExperimentRequest) -> chaos_engine::RunOutcome {
    setup.run_all(vec![request], &StopSignal::default()).await
}

/// Runs with its journal in memory, so that no thread of a journal lets the paused clock run.
async fn in_memory(
    setup: &Setup,
    request: ExperimentRequest,
) -> (Arc<CrashingJournal>, impl Future<Output = ExitCode>, StopSignal) {
    let prepared = setup.prepare_all(vec![request]).await.unwrap();
    let approved = review(prepared.plan, &Limits::default()).unwrap();
    let (journal, stop) = (Arc::new(CrashingJournal::default()), StopSignal::default());
    let (engine, journal_of_run, stop_of_run) = (setup.engine(), journal.clone(), stop.clone());
    let running = async move {
        engine.execute_on(journal_of_run, approved, prepared.targets, &stop_of_run).await.unwrap()
    };
    (journal, running, stop)
}

async fn refused(setup: &Setup, request: ExperimentRequest) -> EngineError {
    setup.prepare_all(vec![request]).await.err().unwrap()
}

#[tokio::test(start_paused = true)]
async fn faults_on_several_targets_act_in_order_and_are_undone_newest_first() {
    let setup = Setup::new(3);
    let before = dumps(&setup);
    let uses = vec![
        on(0, set(json!({"cells": ["cell_1"]}))),
        on(1, set(json!({"cells": ["cell_1"]}))),
        on(0, set(json!({"cells": ["cell_1"], "value": "more"}))),
    ];
    let targets = vec![("shop", world("world")), ("web", world("second"))];
    let outcome = run(&setup, setup.mixed(targets, uses)).await;
    assert_eq!(outcome.exit, ExitCode::Done);
    let expected = "intend 1, inject 1, intend 2, inject 2, intend 3, inject 3, undo 3, undo 2, undo 1";
    assert_eq!(story(&outcome.journal).join(", "), expected);
    assert_eq!(dumps(&setup), before);
}

#[tokio::test(start_paused = true)]
async fn one_use_acts_on_every_member_before_the_next_and_is_undone_everywhere_after_it() {
    let (setup, config) = hosts();
    let before = dumps(&setup);
    let uses = vec![set(json!({"cells": ["cell_1"]})), set(json!({"cells": ["cell_1"], "value": "more"}))];
    let (journal, running, _) = in_memory(&setup, setup.mixed(vec![("", config)], uses)).await;
    let slowing = async {
        let is_in = |world: &FakeWorld| world.value("cell_1").as_deref() == Some("more");
        setup.until(|_| setup.others.iter().all(is_in)).await;
        // Not so slow that the others go on without it.
        setup.others[0].delay(Duration::from_secs(1));
    };
    let (exit, ()) = tokio::join!(running, slowing);
    assert_eq!(exit, ExitCode::Done);
    let story = words(&journal.contents().records);
    for (first, second) in [(1, 4), (1, 5), (1, 6), (2, 4), (3, 4), (3, 6)] {
        assert!(place(&story, &format!("inject {first}")) < place(&story, &format!("intend {second}")));
        assert!(place(&story, &format!("undo {second}")) < place(&story, &format!("undo {first}")));
    }
    assert_eq!(dumps(&setup), before);
}

#[tokio::test(start_paused = true)]
async fn a_third_fault_that_fails_undoes_everything_on_all_targets() {
    for parallel in [false, true] {
        let (mut setup, config) = hosts();
        setup.parallel = parallel;
        let before = dumps(&setup);
        let uses = vec![
            on(0, set(json!({"cells": ["cell_1"]}))),
            on(1, set(json!({"cells": ["cell_1"]}))),
            on(1, set(json!({"cells": ["cell_2"], "trouble": "fail"}))),
            on(0, set(json!({"cells": ["cell_2"]}))),
        ];
        let outcome = run(&setup, setup.mixed(vec![("shop", world("world")), ("web", config)], uses)).await;
        assert_eq!(outcome.exit, ExitCode::FaultFailed);
        assert_eq!(dumps(&setup), before);
        assert!(setup.engine().unresolved().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_system_that_takes_long_to_let_us_in_is_undone_all_the_same() {
    let (setup, config) = hosts();
    let before = dumps(&setup);
    setup.others[1].delay(Duration::from_secs(45));
    let uses = vec![set(json!({"cells": ["cell_1"]}))];
    let (_, running, _) = in_memory(&setup, setup.mixed(vec![("", config)], uses)).await;
    assert_eq!(running.await, ExitCode::Done);
    assert_eq!(dumps(&setup), before);
}

/// Something happens to `b` in the hold; the others must be whole again soon after it, whatever becomes of `b`.
async fn check_delay(trouble: impl Fn(&FakeWorld), at_once: usize) {
    check_delay_after(set(json!({"cells": ["cell_2"]})), "cell_2 = chaos", trouble, at_once).await;
}

/// The same, with this use as the last one; `sign` is what the world shows of it.
async fn check_delay_after(last: FaultUse, sign: &str, trouble: impl Fn(&FakeWorld), at_once: usize) {
    let (mut setup, config) = hosts();
    setup.options.rollback_patience = Duration::from_secs(600);
    let before = dumps(&setup);
    let uses = vec![set(json!({"cells": ["cell_1"]})), last];
    let request = setup.mixed(vec![("", with(&config, "at_once", json!(at_once)))], uses);
    let (_, running, stop) = in_memory(&setup, request).await;
    let watching = async {
        setup.until(|_| setup.others.iter().all(|world| world.dump().contains(sign))).await;
        trouble(&setup.others[1]);
        stop.stop(StopReason::Interrupted);
        let began = Instant::now();
        let whole = |place: usize| setup.others[place].dump() == before[place + 2];
        setup.until(|_| whole(0) && whole(2)).await;
        assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
        assert!(!whole(1), "`b` is still in trouble");
        setup.others[1].refuse(0);
        setup.others[1].delay(Duration::ZERO);
    };
    let (exit, ()) = tokio::join!(running, watching);
    assert_eq!(exit, ExitCode::Interrupted);
    assert_eq!(dumps(&setup), before);
}

#[tokio::test(start_paused = true)]
async fn a_system_that_does_not_answer_delays_no_other() {
    for at_once in [1, 3] {
        check_delay(|world| world.refuse(u32::MAX), at_once).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_system_that_hangs_delays_no_other() {
    for at_once in [1, 3] {
        check_delay(|world| world.delay(Duration::from_secs(25)), at_once).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_takes_long_to_end_delays_no_other() {
    for at_once in [1, 3] {
        let last = lock(json!({"cells": ["cell_2"]}));
        check_delay_after(last, "lock cell_2", |world| world.delay(Duration::from_secs(25)), at_once).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_stays_away_is_left_behind_alone() {
    let (mut setup, config) = hosts();
    setup.options.rollback_patience = Duration::from_secs(5);
    let before = dumps(&setup);
    let (journal, running, _) =
        in_memory(&setup, setup.mixed(vec![("", config)], vec![set(json!({}))])).await;
    let cutting = async {
        setup
            .until(|_| setup.others.iter().all(|world| world.value("cell_2").as_deref() == Some("chaos")))
            .await;
        setup.others[1].refuse(u32::MAX);
    };
    let (exit, ()) = tokio::join!(running, cutting);
    assert_eq!(exit, ExitCode::LeftBehind);
    let story = words(&journal.contents().records);
    assert!(place(&story, "undo 1") < place(&story, "stuck 2"), "{story:?}");
    assert!(place(&story, "undo 3") < place(&story, "stuck 2"), "{story:?}");
    setup.others[1].refuse(0);
    let (again, run, options) =
        (Arc::new(CrashingJournal::default()), setup.run_id(), RecoverOptions::default());
    let (contents, credentials) = (journal.contents(), Credentials::Journal);
    let outcome =
        setup.engine().recover_on(again, &contents, &run, &options, Undoer::Recovery, &credentials).await;
    assert_eq!((outcome.exit, outcome.steps.len()), (ExitCode::Done, 1));
    assert_eq!(dumps(&setup), before);
}

#[tokio::test(start_paused = true)]
async fn no_more_members_than_allowed_are_worked_on_at_once() {
    let (setup, config) = hosts();
    let before = dumps(&setup);
    let stop = StopSignal::default();
    let uses = vec![set(json!({"trouble": "slow"}))];
    let request = setup.mixed(vec![("", with(&config, "at_once", json!(2)))], uses);
    let running = setup.run_all(vec![request], &stop);
    let helpers = |place: usize| setup.others[place].helper_names().len();
    let watching = async {
        setup.until(|_| helpers(0) > 0 && helpers(1) > 0).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(helpers(2), 0, "two are at it already");
        stop.stop(StopReason::Interrupted);
    };
    let (outcome, ()) = tokio::join!(running, watching);
    assert_eq!(outcome.exit, ExitCode::Interrupted);
    assert_eq!(dumps(&setup), before);
}

#[tokio::test(start_paused = true)]
async fn every_member_that_fails_is_told_and_nothing_is_touched() {
    let (setup, config) = hosts();
    let before = dumps(&setup);
    setup.others[0].refuse(1);
    setup.others[2].refuse(1);
    match refused(&setup, setup.mixed(vec![("web", config.clone())], vec![set(json!({}))])).await {
        EngineError::Members { what, total, failures, .. } => {
            let names: Vec<&str> = failures.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!((what.as_str(), total, names), ("target `web`", 3, vec!["a", "c"]));
        }
        other => panic!("{other}"),
    }
    setup.world.refuse(1);
    setup.others[1].refuse(1);
    let both = vec![("shop", world("world")), ("web", config.clone())];
    match refused(&setup, setup.mixed(both, vec![set(json!({}))])).await {
        EngineError::Members { what, total, failures, .. } => {
            let names: Vec<&str> = failures.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!((what.as_str(), total), ("the targets", 4));
            assert_eq!(names, ["target `shop`", "target `web`, `b`"]);
        }
        other => panic!("{other}"),
    }
    let uses = vec![set(json!({"cells": ["cell_9"]}))];
    match refused(&setup, setup.mixed(vec![("web", config)], uses)).await {
        EngineError::Members { what, failures, .. } => {
            assert_eq!((what.as_str(), failures.len()), ("`fake.set_cells` on `web`", 3));
        }
        other => panic!("{other}"),
    }
    assert_eq!(dumps(&setup), before);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_need_not_answer_is_left_out_and_said_to_be() {
    let (setup, config) = hosts();
    let config = with(&config, "allow_unreachable", json!(true));
    setup.others[1].refuse(1);
    let request = setup.mixed(vec![("web", config.clone())], vec![set(json!({}))]);
    let prepared = setup.prepare_all(vec![request.clone()]).await.unwrap();
    let experiment = &prepared.plan.experiments[0];
    let members: Vec<&str> = experiment.targets.iter().map(|target| target.member.as_str()).collect();
    assert_eq!(members, ["a", "c"]);
    assert_eq!(experiment.skipped, ["web: b: connect to `b`"]);
    assert_eq!(experiment.notes, ["web: 3 worlds"]);

    setup.others.iter().for_each(|world| world.refuse(1));
    match refused(&setup, request).await {
        EngineError::Members { failures, .. } => assert_eq!(failures.len(), 3),
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn one_system_under_two_names_is_refused_unless_it_is_allowed() {
    let setup = Setup::new(2);
    let before = dumps(&setup);
    let targets = vec![("shop", world("world")), ("web", world("world"))];
    let error = refused(&setup, setup.mixed(targets, vec![on(1, set(json!({})))])).await;
    assert_eq!(error.to_string(), "prepare experiment `mixed`: `shop` and `web` are the same system");

    let same = json!({"worlds": ["world", "world"], "allow_same": true});
    let outcome = run(&setup, setup.mixed(vec![("", same)], vec![set(json!({"cells": ["cell_1"]}))])).await;
    assert_eq!(outcome.exit, ExitCode::Done);
    assert_eq!(dumps(&setup), before);
}

#[tokio::test(start_paused = true)]
async fn names_and_choices_of_members_differ_and_their_wave_is_one() {
    let (setup, config) = hosts();
    let uses = vec![set(json!({})), lock(json!({"cells": ["cell_1"]}))];
    let prepared = setup.prepare_all(vec![setup.mixed(vec![("", config)], uses)]).await.unwrap();
    let steps = &prepared.plan.experiments[0].steps;
    let handles: std::collections::HashSet<&Value> = steps.iter().map(|step| &step.step["handle"]).collect();
    assert_eq!(handles.len(), 6);
    let waves: Vec<(usize, u32)> = steps.iter().map(|step| (step.target, step.wave)).collect();
    assert_eq!(waves, [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_finds_the_member_in_a_file_by_its_name() {
    let (mut setup, config) = hosts();
    let before = dumps(&setup);
    let request = setup.mixed(vec![("web", config)], vec![set(json!({}))]);
    let prepared = setup.prepare_all(vec![request]).await.unwrap();
    let approved = review(prepared.plan, &Limits::default()).unwrap();
    let (engine, stop) = (setup.engine(), StopSignal::default());
    tokio::select! {
        _ = engine.execute(approved, prepared.targets, &stop) => panic!("it lived"),
        () = setup.until_journal_holds("hold_started") => {}
    }
    let run = setup.run_id();
    let moved = RecoverOptions { config: Some("/moved.yaml".into()), ..RecoverOptions::default() };
    // A host that is no longer in the file is left as it is, and the others are undone.
    setup.file = Some(json!({"worlds": ["c", "b", "second"]}));
    let outcome = setup.engine().recover(&run, &moved).await.unwrap();
    assert_eq!(outcome.exit, ExitCode::LeftBehind);
    assert_ne!(setup.others[0].dump(), before[2]);
    assert_eq!(dumps(&setup)[3..], before[3..]);
    setup.file = Some(json!({"worlds": ["a"]}));
    let outcome = setup.engine().recover(&run, &moved).await.unwrap();
    assert_eq!(outcome.exit, ExitCode::Done);
    assert_eq!(dumps(&setup), before);
}

#[tokio::test(start_paused = true)]
async fn a_start_over_several_targets_undoes_what_a_dead_run_left_on_one_of_them() {
    let (setup, config) = hosts();
    let before = dumps(&setup);
    let fuse = chaos_testkit::World::fuse(&setup.others[1]).unwrap();
    let request = setup.mixed(vec![("", json!({"worlds": ["b"]}))], vec![set(json!({}))]);
    fuse.burn_after(3);
    tokio::select! {
        _ = run(&setup, request) => panic!("it lived"),
        () = fuse.burnt() => {}
    }
    fuse.mend();
    let request = setup.mixed(vec![("", config)], vec![set(json!({}))]);
    let shown = setup
        .engine()
        .prepare(vec![request.clone()], 7, PrepareMode::DryRun, &StopSignal::default())
        .await
        .map(|prepared| prepared.plan.experiments[0].targets.len());
    assert_eq!(shown.unwrap(), 3);
    assert_ne!(dumps(&setup), before, "a dry run changes nothing");
    assert_eq!(run(&setup, request).await.exit, ExitCode::Done);
    assert_eq!(dumps(&setup), before);
}
