//! A run over several targets that dies: after every single effect on any of them, and at every record.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is off")]

mod common;

use std::sync::Arc;

use chaos_core::ExitCode;
use chaos_core::experiment::FaultUse;
use chaos_core::record::Undoer;
use chaos_engine::journal::Journal;
use chaos_engine::recover::Credentials;
use chaos_engine::{ExperimentRequest, RecoverOptions, StopSignal};
use chaos_policy::{Limits, review};
use chaos_testkit::{CrashingJournal, FakeWorld, Moment, World};
use common::{SECRET, Setup, lock, set};
use serde_json::json;

/// A database and two hosts, which die together.
fn setup() -> Setup {
    let mut setup = Setup::new(2);
    setup.others = ["a", "b"].map(|name| FakeWorld::new(name, 2).dying_with(&setup.world)).to_vec();
    setup
}

fn mixed(setup: &Setup) -> ExperimentRequest {
    let on = |target, fault_use| FaultUse { target, ..fault_use };
    let uses = vec![
        on(0, set(json!({"cells": ["cell_1"]}))),
        on(1, set(json!({"cells": ["cell_1"]}))),
        on(1, set(json!({"cells": ["cell_1"], "value": "more"}))),
        on(0, lock(json!({"cells": ["cell_2"]}))),
    ];
    let shop = json!({"world": "world", "password": SECRET});
    let web = json!({"worlds": ["a", "b"], "password": SECRET, "at_once": 2});
    setup.mixed(vec![("shop", shop), ("web", web)], uses)
}

fn dumps(setup: &Setup) -> Vec<String> {
    std::iter::once(&setup.world).chain(&setup.others).map(FakeWorld::dump).collect()
}

async fn run_on(setup: &Setup, journal: Arc<dyn Journal>) -> ExitCode {
    let prepared = setup.prepare_all(vec![mixed(setup)]).await.unwrap();
    let approved = review(prepared.plan, &Limits::default()).unwrap();
    setup.engine().execute_on(journal, approved, prepared.targets, &StopSignal::default()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_death_after_every_single_effect_on_any_target_is_recovered() {
    let effects = {
        let setup = setup();
        assert_eq!(setup.run_all(vec![mixed(&setup)], &StopSignal::default()).await.exit, ExitCode::Done);
        setup.effects()
    };
    assert!(effects > 20, "only {effects} effects");
    for effect in 0..effects {
        let setup = setup();
        let before = dumps(&setup);
        let (fuse, stop) = (setup.world.fuse().unwrap(), StopSignal::default());
        fuse.burn_after(effect);
        tokio::select! {
            _ = setup.run_all(vec![mixed(&setup)], &stop) => panic!("it lived"),
            () = fuse.burnt() => {}
        }
        fuse.mend();
        setup.recover_all().await;
        assert_eq!(dumps(&setup), before, "after a death at effect {effect}");
        assert!(setup.engine().unresolved().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_death_at_every_record_of_a_run_over_several_targets_is_recovered() {
    let records = {
        let setup = setup();
        let journal = Arc::new(CrashingJournal::default());
        run_on(&setup, journal.clone()).await;
        journal.records()
    };
    assert!(records > 30, "only {records} records");
    for record in 1..=records {
        for moment in [Moment::Before, Moment::Torn, Moment::After] {
            let setup = setup();
            let before = dumps(&setup);
            let journal = Arc::new(CrashingJournal::dying_at(record, moment));
            tokio::select! {
                _ = run_on(&setup, journal.clone()) => panic!("record {record} {moment:?}: it lived"),
                () = journal.died() => {}
            }
            let (again, run) = (Arc::new(CrashingJournal::default()), setup.run_id());
            let (contents, options) = (journal.contents(), RecoverOptions::default());
            let outcome = setup
                .engine()
                .recover_on(again, &contents, &run, &options, Undoer::Recovery, &Credentials::Journal)
                .await;
            assert_eq!(outcome.exit, ExitCode::Done, "record {record} {moment:?}");
            assert_eq!(dumps(&setup), before, "record {record} {moment:?}");
        }
    }
}
