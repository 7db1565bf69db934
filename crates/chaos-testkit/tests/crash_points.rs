//! The suite on a world that cannot kill by itself: there it dies at the crash points of the faults.

mod broken;

use chaos_testkit::conformance::{self, Subject};
use chaos_testkit::{FakeTarget, FakeWorld, SetCells, World};
use serde_json::json;

/// A world in memory without its fuse.
struct NoFuse(FakeWorld);

impl World for NoFuse {
    type Target = FakeTarget;

    async fn fresh(&self) -> Self {
        Self(self.0.fresh().await)
    }

    async fn connect(&self) -> FakeTarget {
        self.0.connect().await
    }

    async fn snapshot(&self) -> String {
        self.0.snapshot().await
    }
}

fn world() -> NoFuse {
    NoFuse(FakeWorld::new("shop", 3))
}

conformance::reversible!(SetCells, world(), {});

#[tokio::test]
#[should_panic(expected = "at `fake.broken.between`, pass 1, undone once, the world is not as it was")]
async fn a_fault_that_keeps_its_before_image_too_late_is_caught_at_the_point_between() {
    let broken = broken::Broken(broken::How::ImageTooLate);
    conformance::a_crash_anywhere_is_undone(Subject::new(broken, world(), json!({}))).await;
}

#[tokio::test]
#[should_panic(expected = "there is no effect and no crash point to die at")]
async fn a_fault_that_cannot_be_crashed_anywhere_does_not_pass() {
    let broken = broken::Broken(broken::How::DoesNothing);
    conformance::a_crash_anywhere_is_undone(Subject::new(broken, world(), json!({}))).await;
}
