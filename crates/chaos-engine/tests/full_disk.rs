//! A journal that takes no more records: what was not written is never passed over in silence.
#![allow(clippy::unwrap_used, reason = "a test ends where something is off")]

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chaos_core::erased::BoxFuture;
use chaos_core::{ExitCode, RecordBody};
use chaos_engine::journal::{Journal, JournalError};
use common::{Setup, set};
use serde_json::json;

/// Is full from the first record on that `fills` says, for good or for that moment.
struct FullDisk {
    fills: fn(&RecordBody) -> bool,
    for_good: bool,
    is_full: AtomicBool,
}

impl Journal for FullDisk {
    fn append(&self, body: RecordBody) -> BoxFuture<'_, Result<(), JournalError>> {
        let fills = (self.fills)(&body);
        if fills || !self.for_good {
            self.is_full.store(fills, Ordering::Relaxed);
        }
        let result = match self.is_full.load(Ordering::Relaxed) {
            true => {
                let source = Arc::new(io::Error::from(io::ErrorKind::StorageFull));
                Err(JournalError::Write { path: "full".into(), source })
            }
            false => Ok(()),
        };
        Box::pin(std::future::ready(result))
    }
}

async fn check(fills: fn(&RecordBody) -> bool, for_good: bool, expected: ExitCode) {
    let setup = Setup::new(3);
    let before = setup.world.dump();
    let journal = Arc::new(FullDisk { fills, for_good, is_full: AtomicBool::new(false) });
    let exit = setup.run_on(journal, vec![set(json!({}))]).await;
    assert_eq!(exit, expected);
    assert_eq!(setup.world.dump(), before, "a full disk does not stop the rollback");
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_could_not_be_written_down_is_not_a_clean_end() {
    check(|body| matches!(body, RecordBody::Reverted { .. }), true, ExitCode::LeftBehind).await;
    check(|body| matches!(body, RecordBody::Disarmed { .. }), false, ExitCode::LeftBehind).await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_could_not_be_written_down_is_not_held_and_not_done() {
    let fills = |body: &RecordBody| matches!(body, RecordBody::HoldStarted { .. });
    // Written down is everything else: the target is known to be clean.
    check(fills, false, ExitCode::FaultFailed).await;
    check(fills, true, ExitCode::LeftBehind).await;
}
