//! A fault that is broken in a chosen way. It writes one cell of a world in memory.

use std::fmt;

use chaos_core::crash::crash_point;
use chaos_core::{
    Effect, Fault, FaultError, FaultSpec, NoSession, PrepareContext, Quantity, Reversibility, RevertOutcome,
    Reverted, Risk, Rope, StepContext, StepFacts,
};
use chaos_testkit::FakeTarget;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    PrepareWrites,
    DoesNothing,
    LeavesHelper,
    AlwaysRestored,
    /// The change first, the before-image in a second effect.
    ImageTooLate,
    /// The undo removes the before-image first, and restores in a second effect.
    ImageGoneTooSoon,
}

pub struct Broken(pub How);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

#[derive(Serialize, Deserialize)]
pub struct BrokenStep {
    handle: String,
}

impl fmt::Display for BrokenStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write `cell_1`")
    }
}

const CELL: &str = "cell_1";

impl Fault for Broken {
    type Target = FakeTarget;
    type Params = NoParams;
    type Step = BrokenStep;
    type Session = NoSession;

    const SPEC: FaultSpec = FaultSpec {
        name: "fake.broken",
        target: "fake",
        summary: "is broken",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &FakeTarget,
        _params: NoParams,
    ) -> Result<Vec<BrokenStep>, FaultError> {
        if self.0 == How::PrepareWrites {
            target.world.put_helper("prepared", "").await;
        }
        Ok(vec![BrokenStep { handle: cx.handle() }])
    }

    fn facts(&self, _step: &BrokenStep) -> StepFacts {
        StepFacts {
            undo: "put it back".to_owned(),
            rope: Rope::None,
            claims: Vec::new(),
            quantity: Quantity::default(),
            names: Vec::new(),
        }
    }

    async fn arm(&self, _: &StepContext, _: &FakeTarget, _: &BrokenStep) -> Result<NoSession, FaultError> {
        Ok(NoSession)
    }

    async fn inject(
        &self,
        _cx: &StepContext,
        target: &FakeTarget,
        step: &BrokenStep,
        _session: &mut NoSession,
    ) -> Result<Effect, FaultError> {
        let before = target.world.value(CELL).unwrap_or_default();
        match self.0 {
            How::DoesNothing => {}
            How::ImageTooLate => {
                target.world.write_cell(CELL, "gone").await;
                crash_point("fake.broken.between");
                target.world.put_helper(&step.handle, &before).await;
            }
            _ => {
                target.world.put_helper(&step.handle, &before).await;
                target.world.write_cell(CELL, "gone").await;
            }
        }
        Ok(Effect::default())
    }

    async fn revert(
        &self,
        _cx: &StepContext,
        target: &FakeTarget,
        step: &BrokenStep,
    ) -> Result<Reverted, FaultError> {
        let image = target.world.helpers(&step.handle).await.pop();
        let Some((name, before)) = image else {
            let claims = self.0 == How::AlwaysRestored;
            let outcome = if claims { RevertOutcome::Restored } else { RevertOutcome::NothingToDo };
            return Ok(Reverted::new(outcome));
        };
        if self.0 == How::ImageGoneTooSoon {
            target.world.remove_helper(&name).await;
        }
        target.world.write_cell(CELL, &before).await;
        if self.0 != How::LeavesHelper {
            target.world.remove_helper(&name).await;
        }
        Ok(Reverted::new(RevertOutcome::Restored))
    }
}
