//! The suite that every fault must pass: what it does, it undoes, wherever it dies.
//!
//! One call makes all the tests, in a module of the fault's own:
//!
//! ```ignore
//! mod conformance {
//!     chaos_testkit::conformance::reversible!(SetCells, FakeWorld::new("shop", 4), {"value": "gone"});
//! }
//! ```
//!
//! A crash at a named point needs the feature `crash-points`. With it, give the suite a test binary without other tests:
//! all tests of one process share its points, and only those of the suite take turns.

mod crash;
mod life;

use std::sync::Arc;

use chaos_core::erased::PreparedStep;
use chaos_core::{
    DynFault, DynTarget, Fault, PrepareContext, Reversibility, RevertOutcome, Reverted, StepContext, erase,
};
use serde_json::Value;

use crate::world::World;
use crash::points::{self, Turn};
use life::Life;

pub use crate::reversible;
pub use crash::a_crash_anywhere_is_undone;

/// What a fault is tried with.
pub struct Subject<W> {
    fault: Arc<dyn DynFault>,
    world: W,
    params: Value,
    points_min: usize,
}

impl<W: World> Subject<W> {
    /// Tries `fault` with `params` on fresh copies of `world`.
    pub fn new<F: Fault<Target = W::Target>>(fault: F, world: W, params: Value) -> Self {
        Self { fault: erase(fault), world, params, points_min: 0 }
    }

    /// Fails when a whole life passes fewer crash points of different names: then some of them are never died at.
    #[must_use]
    pub fn passing_at_least(mut self, points: usize) -> Self {
        self.points_min = points;
        self
    }

    /// Waits until no other test of the suite runs; `None` when there is no world to test on.
    async fn turn(&self) -> Option<Turn> {
        let turn = points::alone().await;
        self.world.is_there().await.then_some(turn)
    }

    /// Makes a fresh world, connects and prepares.
    async fn begin(&self) -> Begun<W> {
        let world = self.world.fresh().await;
        let before = world.snapshot().await;
        let target: Arc<dyn DynTarget> = Arc::new(world.connect().await);
        let cx = life::prepare_context();
        let steps = prepare(&*self.fault, &cx, &*target, &self.params).await;
        assert!(!steps.is_empty(), "`{}` prepared no steps, so there is nothing to try", self.name());
        let life = Life::new(self.fault.clone(), target, cx, steps);
        Begun { world, before, life }
    }

    fn name(&self) -> &'static str {
        self.fault.spec().name
    }
}

/// A world that a fault is about to act on.
struct Begun<W> {
    world: W,
    before: String,
    life: Life,
}

impl<W: World> Begun<W> {
    async fn assert_unchanged(&self, when: &str) {
        let now = self.world.snapshot().await;
        assert!(
            now == self.before,
            "{when}, the world is not as it was:\n{}",
            difference(&self.before, &now)
        );
    }

    async fn end(self) {
        drop(self.life);
        self.world.remove().await;
    }
}

async fn prepare(
    fault: &dyn DynFault,
    cx: &PrepareContext,
    target: &dyn DynTarget,
    params: &Value,
) -> Vec<PreparedStep> {
    match fault.prepare(cx, target, params.clone()).await {
        Ok(steps) => steps,
        Err(error) => panic!("`{}` failed to {}", fault.spec().name, error.chain()),
    }
}

/// The lines in which two snapshots differ.
fn difference(before: &str, now: &str) -> String {
    let gone = before.lines().filter(|line| !now.lines().any(|other| other == *line));
    let come = now.lines().filter(|line| !before.lines().any(|other| other == *line));
    let lines = gone.map(|line| format!("- {line}")).chain(come.map(|line| format!("+ {line}")));
    lines.take(40).collect::<Vec<_>>().join("\n")
}

/// Proves that preparing reads only.
pub async fn prepare_changes_nothing<W: World>(subject: Subject<W>) {
    let Some(_turn) = subject.turn().await else { return };
    let begun = subject.begin().await;
    begun.assert_unchanged("after prepare").await;
    begun.end().await;
}

/// Proves that what was injected is there, and that undoing it brings everything back.
pub async fn inject_then_revert_restores<W: World>(subject: Subject<W>) {
    let Some(_turn) = subject.turn().await else { return };
    let begun = subject.begin().await;
    begun.life.inject_all().await;
    let during = begun.world.snapshot().await;
    let has_effect = subject.fault.spec().reversibility == Reversibility::Exact;
    assert!(
        !has_effect || during != begun.before,
        "`{}` changed nothing, so its undo proves nothing",
        subject.name()
    );
    for reverted in begun.life.undo_all().await {
        assert_eq!(reverted.conflicts, [], "nobody else wrote");
        assert!(
            !has_effect || reverted.outcome == RevertOutcome::Restored,
            "something was there, but: {reverted:?}"
        );
    }
    begun.assert_unchanged("after inject and revert").await;
    begun.end().await;
}

/// Proves that undoing what never happened, or what is undone already, changes nothing.
pub async fn revert_without_inject_and_twice_is_a_no_op<W: World>(subject: Subject<W>) {
    let Some(_turn) = subject.turn().await else { return };
    let begun = subject.begin().await;
    nothing_to_undo(begun.life.undo_all().await, "without arm and inject");
    begun.assert_unchanged("after a revert without arm and inject").await;
    drop(begun.life.arm_all().await);
    nothing_to_undo(begun.life.undo_all().await, "after arm only");
    begun.assert_unchanged("after arm and revert").await;
    begun.end().await;

    let begun = subject.begin().await;
    begun.life.inject_all().await;
    begun.life.undo_all().await;
    nothing_to_undo(begun.life.undo_all().await, "the second time");
    begun.assert_unchanged("after a second revert").await;
    begun.end().await;
}

fn nothing_to_undo(reverted: Vec<Reverted>, when: &str) {
    for reverted in reverted {
        let claims = reverted.outcome == RevertOutcome::Restored;
        assert!(!claims, "there was nothing to undo {when}, but the revert says that it restored something");
        assert_eq!(reverted.conflicts, [], "there is nothing to clash with {when}");
    }
}

/// Proves that a step is data: it survives its way through the journal, and says what it does and how it is undone.
pub async fn a_step_survives_json<W: World, F: Fault<Target = W::Target>>(subject: Subject<W>) {
    let Some(_turn) = subject.turn().await else { return };
    let begun = subject.begin().await;
    for planned in begun.life.steps() {
        let text = serde_json::to_string(&planned.step).unwrap();
        let step: F::Step = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        assert_eq!(
            serde_json::to_string(&step).unwrap(),
            text,
            "a step changes on its way through the journal"
        );
        assert_eq!(step.to_string(), planned.summary);
        for line in [&planned.summary, &planned.facts.undo] {
            assert!(!line.trim().is_empty() && !line.contains('\n'), "not one line: `{line}`");
        }
    }
    begun.end().await;
}

/// Proves that a step that an older version has written can still be read. `text` is its JSON.
pub fn an_old_step_still_loads<F: Fault>(text: &str) {
    if let Err(error) = serde_json::from_str::<F::Step>(text) {
        panic!("a step of `{}` in an old journal cannot be read any more: {error}", F::SPEC.name);
    }
}

/// Returns the context that the suite gives to a step.
pub fn step_context(cx: &PrepareContext, step: u32) -> StepContext {
    life::step_context(cx, step)
}

/// Makes the tests that prove a fault reversible: the fault, a world, the parameters as JSON, after `points:` how many crash
/// points of different names it has at least, and after `old:` any number of steps that older versions have written.
#[macro_export]
macro_rules! reversible {
    ($fault:ty, $world:expr, $params:tt $(, points: $points:expr)? $(, old: [$($old:expr),* $(,)?])? $(,)?) => {
        fn subject() -> $crate::conformance::Subject<impl $crate::World<Target = <$fault as ::chaos_core::Fault>::Target>> {
            $crate::conformance::Subject::new(
                <$fault as ::core::default::Default>::default(),
                $world,
                ::serde_json::json!($params),
            )
            $(.passing_at_least($points))?
        }

        #[::tokio::test]
        async fn prepare_changes_nothing() {
            $crate::conformance::prepare_changes_nothing(subject()).await;
        }

        #[::tokio::test]
        async fn inject_then_revert_restores() {
            $crate::conformance::inject_then_revert_restores(subject()).await;
        }

        #[::tokio::test]
        async fn revert_without_inject_and_twice_is_a_no_op() {
            $crate::conformance::revert_without_inject_and_twice_is_a_no_op(subject()).await;
        }

        #[::tokio::test]
        async fn a_crash_anywhere_is_undone() {
            $crate::conformance::a_crash_anywhere_is_undone(subject()).await;
        }

        #[::tokio::test]
        async fn a_step_survives_json() {
            $crate::conformance::a_step_survives_json::<_, $fault>(subject()).await;
        }

        $(
            #[test]
            fn old_steps_still_load() {
                $($crate::conformance::an_old_step_still_loads::<$fault>($old);)*
            }
        )?
    };
}
