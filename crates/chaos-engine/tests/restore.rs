//! A journal that somebody removes or empties while the run lives: the plan that the guardian holds is enough to undo.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is off")]

mod common;

use std::path::Path;

use chaos_core::record::Undoer;
use chaos_core::{ExitCode, Plan};
use chaos_engine::StopSignal;
use chaos_engine::recover::Credentials;
use chaos_policy::{Limits, review};
use common::Setup;

/// Dies in the hold after `harm` was done to the state directory, and is undone from its plan.
async fn check(harm: impl Fn(&Path, &Path)) {
    let setup = Setup::new(3);
    let before = setup.world.dump();
    let prepared = setup.prepare(common::several()).await.unwrap();
    let plan: Plan = prepared.plan.clone();
    let approved = review(prepared.plan, &Limits::default()).unwrap();
    let (engine, stop) = (setup.engine(), StopSignal::default());
    tokio::select! {
        _ = engine.execute(approved, prepared.targets, &stop) => panic!("it lived"),
        () = setup.until_journal_holds("hold_started") => {}
    }
    assert_ne!(setup.world.dump(), before, "the faults are there");
    harm(&setup.runs(), &engine.state().journal(&plan.run));

    let outcome = setup.engine().undo_planned(&plan, Undoer::Guardian, &Credentials::Journal).await.unwrap();
    assert_eq!(outcome.exit, ExitCode::Done, "{outcome:?}");
    assert_eq!(setup.world.dump(), before, "after the undo from the plan");
    if engine.state().journal(&plan.run).is_file() {
        setup.assert_clean(&before, "after the undo from the plan");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_state_directory_was_removed_is_undone() {
    check(|runs, _| std::fs::remove_dir_all(runs.parent().unwrap()).unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_journal_was_removed_is_undone_and_has_one_again() {
    check(|_, journal| std::fs::remove_file(journal).unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_journal_was_emptied_is_undone() {
    check(|_, journal| std::fs::write(journal, "").unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_journal_lost_its_head_is_undone() {
    check(|_, journal| {
        let text = std::fs::read_to_string(journal).unwrap();
        let rest: Vec<&str> = text.lines().skip(3).collect();
        std::fs::write(journal, format!("\0\0\0{}\n", rest.join("\n"))).unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_journal_cannot_be_written_again_is_undone_all_the_same() {
    check(|_, journal| {
        std::fs::remove_file(journal).unwrap();
        // A directory of that name: not even root can write a journal there.
        std::fs::create_dir(journal).unwrap();
        std::fs::write(journal.join("x"), "").unwrap();
    })
    .await;
}
