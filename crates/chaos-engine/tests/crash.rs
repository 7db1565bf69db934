//! A run over a world in memory that dies: after every single effect, at every record, and again while it is recovered.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is off")]

mod common;

use std::sync::Arc;

use chaos_core::ExitCode;
use chaos_core::record::Undoer;
use chaos_engine::RecoverOptions;
use chaos_engine::recover::Credentials;
use chaos_testkit::{CrashingJournal, Moment};
use common::Setup;

#[tokio::test(start_paused = true)]
async fn a_death_after_every_single_effect_is_recovered() {
    let effects = {
        let setup = Setup::new(3);
        setup.run(common::several()).await;
        setup.effects()
    };
    assert!(effects > 10, "only {effects} effects");
    for effect in 0..effects {
        let setup = Setup::new(3);
        let before = setup.world.dump();
        setup.run_until_death(common::several(), effect).await;
        setup.recover_all().await;
        setup.assert_clean(&before, &format!("after a death at effect {effect}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_death_at_every_record_is_recovered_from_what_is_on_the_disk() {
    let records = {
        let setup = Setup::new(3);
        let journal = Arc::new(CrashingJournal::default());
        setup.run_on(journal.clone(), common::several()).await;
        journal.records()
    };
    assert!(records > 10, "only {records} records");
    for record in 1..=records {
        for moment in [Moment::Before, Moment::Torn, Moment::After] {
            let setup = Setup::new(3);
            let before = setup.world.dump();
            let journal = Arc::new(CrashingJournal::dying_at(record, moment));
            tokio::select! {
                _ = setup.run_on(journal.clone(), common::several()) => panic!("record {record} {moment:?}: it lived"),
                () = journal.died() => {}
            }
            let again = Arc::new(CrashingJournal::default());
            let (run, options) = (setup.run_id(), RecoverOptions::default());
            let outcome = setup
                .engine()
                .recover_on(
                    again,
                    &journal.contents(),
                    &run,
                    &options,
                    Undoer::Recovery,
                    &Credentials::Journal,
                )
                .await;
            assert_eq!(outcome.exit, ExitCode::Done, "record {record} {moment:?}");
            assert_eq!(setup.world.dump(), before, "record {record} {moment:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_death_after_every_effect_of_a_recovery_is_recovered_by_the_next_one() {
    for effect in 0.. {
        let setup = Setup::new(3);
        let before = setup.world.dump();
        setup.run_until_death(common::several(), 6).await;
        let died = setup.recover_until_death(effect).await;
        setup.recover_all().await;
        setup.assert_clean(&before, &format!("after a death at effect {effect} of the recovery"));
        if !died {
            assert!(effect > 5, "only {effect} effects");
            break;
        }
    }
}
