//! The suite on faults of a world in memory: those that are right pass, those that are broken are caught.

mod broken;

use chaos_testkit::conformance::{self, Subject};
use chaos_testkit::{FakeWorld, LockCells, SetCells};
use serde_json::json;

fn world() -> FakeWorld {
    FakeWorld::new("shop", 3)
}

mod set_cells {
    use super::*;

    conformance::reversible!(
        SetCells,
        world(),
        {"value": "gone"},
        old: [r#"{"handle": "chaos_1", "cells": ["cell_1"], "value": "gone"}"#],
    );
}

mod lock_cells {
    use super::*;

    conformance::reversible!(LockCells, world(), {"cells": ["cell_1", "cell_2"]});
}

fn subject(how: broken::How) -> Subject<FakeWorld> {
    Subject::new(broken::Broken(how), world(), json!({}))
}

#[tokio::test]
#[should_panic(expected = "after prepare, the world is not as it was")]
async fn a_fault_that_writes_while_it_prepares_is_caught() {
    conformance::prepare_changes_nothing(subject(broken::How::PrepareWrites)).await;
}

#[tokio::test]
#[should_panic(expected = "changed nothing, so its undo proves nothing")]
async fn a_fault_that_does_nothing_is_caught() {
    conformance::inject_then_revert_restores(subject(broken::How::DoesNothing)).await;
}

#[tokio::test]
#[should_panic(expected = "after inject and revert, the world is not as it was")]
async fn a_fault_that_leaves_its_helper_is_caught() {
    conformance::inject_then_revert_restores(subject(broken::How::LeavesHelper)).await;
}

#[tokio::test]
#[should_panic(expected = "there was nothing to undo without arm and inject")]
async fn a_revert_that_claims_what_it_did_not_do_is_caught() {
    conformance::revert_without_inject_and_twice_is_a_no_op(subject(broken::How::AlwaysRestored)).await;
}

#[tokio::test]
async fn a_fault_that_keeps_its_before_image_too_late_looks_right_as_long_as_nobody_dies() {
    conformance::inject_then_revert_restores(subject(broken::How::ImageTooLate)).await;
}

#[tokio::test]
#[should_panic(expected = "after a death after 1 effects, undone once, the world is not as it was")]
async fn a_fault_that_keeps_its_before_image_too_late_is_caught_by_dying() {
    conformance::a_crash_anywhere_is_undone(subject(broken::How::ImageTooLate)).await;
}

#[tokio::test]
#[should_panic(expected = "undone once, the world is not as it was")]
async fn a_revert_that_forgets_its_image_before_it_restores_is_caught_by_dying() {
    conformance::a_crash_anywhere_is_undone(subject(broken::How::ImageGoneTooSoon)).await;
}

#[test]
#[should_panic(expected = "cannot be read any more: missing field `value`")]
fn a_step_that_lost_its_old_form_is_caught() {
    conformance::an_old_step_still_loads::<SetCells>(r#"{"handle": "chaos_1", "cells": []}"#);
}
