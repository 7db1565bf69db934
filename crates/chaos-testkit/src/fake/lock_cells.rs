//! `fake.lock_cells`: keeps everybody else from writing cells, for as long as its session is open.

use std::fmt;

use chaos_core::{
    Access, Claim, Effect, Failure, Fault, FaultError, FaultSpec, PrepareContext, Quantity, Reversibility,
    RevertOutcome, Reverted, Risk, Rope, StepContext, StepFacts,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FakeTarget, FakeWorld, State};

/// Locks cells.
#[derive(Debug, Clone, Copy, Default)]
pub struct LockCells;

/// The parameters of [`LockCells`].
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockCellsParams {
    /// The cells.
    pub cells: Vec<String>,
}

/// Which cells will be locked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LockCellsStep {
    /// The name of the owner of the locks.
    pub handle: String,
    /// The cells.
    pub cells: Vec<String>,
}

impl fmt::Display for LockCellsStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock {} cells", self.cells.len())
    }
}

/// The connection that holds the locks. They end with it, as a server sees to.
pub struct CellLock {
    world: FakeWorld,
    handle: String,
    taken: usize,
}

impl Drop for CellLock {
    fn drop(&mut self) {
        self.world.state().locks.retain(|_, owner| *owner != self.handle);
    }
}

impl Fault for LockCells {
    type Target = FakeTarget;
    type Params = LockCellsParams;
    type Step = LockCellsStep;
    type Session = CellLock;

    const SPEC: FaultSpec = FaultSpec {
        name: "fake.lock_cells",
        target: "fake",
        summary: "keeps others from writing cells",
        risk: Risk::High,
        reversibility: Reversibility::EndsItself,
    };

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &FakeTarget,
        params: LockCellsParams,
    ) -> Result<Vec<LockCellsStep>, FaultError> {
        let there = target.world.names().await;
        if let Some(missing) = params.cells.iter().find(|cell| !there.contains(cell)) {
            return Err(FaultError::Preflight(Failure::new(format!("find the cell `{missing}`"))));
        }
        Ok(vec![LockCellsStep { handle: cx.handle(), cells: params.cells }])
    }

    fn facts(&self, step: &LockCellsStep) -> StepFacts {
        let claim = |cell| Claim { resource: format!("cell {cell}"), access: Access::BlockAll };
        StepFacts {
            undo: "end the session".to_owned(),
            rope: Rope::ServerLimit,
            claims: step.cells.iter().map(claim).collect(),
            quantity: Quantity { connections: 1, ..Quantity::default() },
            names: Vec::new(),
        }
    }

    async fn arm(
        &self,
        _cx: &StepContext,
        target: &FakeTarget,
        step: &LockCellsStep,
    ) -> Result<CellLock, FaultError> {
        Ok(CellLock { world: target.world.clone(), handle: step.handle.clone(), taken: 0 })
    }

    async fn inject(
        &self,
        _cx: &StepContext,
        target: &FakeTarget,
        step: &LockCellsStep,
        session: &mut CellLock,
    ) -> Result<Effect, FaultError> {
        for cell in &step.cells {
            let lock = |state: &mut State| {
                state.locks.insert(cell.clone(), session.handle.clone());
                Ok(())
            };
            target.world.transaction(cell, &step.handle, lock).await?;
            session.taken += 1;
        }
        Ok(Effect::default().with("cells", step.cells.len()))
    }

    async fn finish(&self, _cx: &StepContext, session: CellLock) -> Result<Option<Effect>, FaultError> {
        session.world.delayed().await;
        let held = session.world.state().locks.values().filter(|owner| **owner == session.handle).count();
        if held < session.taken {
            return Err(FaultError::Target(Failure::new("keep the locks to the end of the hold")));
        }
        Ok(Some(Effect::default().with("held", held)))
    }

    async fn revert(
        &self,
        _cx: &StepContext,
        target: &FakeTarget,
        step: &LockCellsStep,
    ) -> Result<Reverted, FaultError> {
        let held = |state: &State| state.locks.values().any(|owner| *owner == step.handle);
        if target.world.read(held).await {
            return Err(FaultError::Busy(Failure::new("wait for the session that holds the locks to end")));
        }
        Ok(Reverted::new(RevertOutcome::AlreadyUndone))
    }
}
