//! `fake.set_cells`: writes a value into cells, and puts back what was there unless somebody else wrote them since.
//!
//! Shaped like a real fault: a marker in the world fences the injection, the before-image is kept there in the same
//! transaction as the change, and the undo consumes it.

use std::fmt;

use chaos_core::crash::crash_point;
use chaos_core::{
    Access, Claim, Conflict, Effect, Failure, Fault, FaultError, FaultSpec, NameKind, NoSession,
    PrepareContext, Quantity, Reversibility, RevertOutcome, Reverted, Risk, Rope, StepContext, StepFacts,
    TargetName,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cell, FakeTarget, State};

/// Writes a value into cells.
#[derive(Debug, Clone, Copy, Default)]
pub struct SetCells;

/// The parameters of [`SetCells`].
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetCellsParams {
    /// The cells. Default: all.
    #[serde(default)]
    pub cells: Vec<String>,
    /// What is written. Default: `chaos`.
    #[serde(default = "chaos")]
    pub value: String,
    /// What goes wrong half-way through the injection. Default: nothing.
    #[serde(default)]
    pub trouble: Trouble,
}

fn chaos() -> String {
    "chaos".to_owned()
}

/// What goes wrong half-way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// The target refuses.
    Fail,
    /// The code is broken.
    Panic,
    /// It goes on until it is asked to stop.
    Slow,
}

/// What will be written where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetCellsStep {
    /// The name of our marker, and the beginning of the names of our before-images.
    pub handle: String,
    /// The cells.
    pub cells: Vec<String>,
    /// What is written.
    pub value: String,
    /// What goes wrong half-way.
    #[serde(default)]
    pub trouble: Trouble,
}

impl fmt::Display for SetCellsStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write `{}` into {} cells", self.value, self.cells.len())
    }
}

/// A before-image, as it is kept in the world.
#[derive(Serialize, Deserialize)]
struct Image {
    cell: String,
    /// With its revision, so that what an earlier step of ours wrote is its own again after the undo.
    before: Option<Cell>,
    /// The revision after our write. Another one means that somebody wrote since.
    ours: u64,
}

impl Fault for SetCells {
    type Target = FakeTarget;
    type Params = SetCellsParams;
    type Step = SetCellsStep;
    type Session = NoSession;

    const SPEC: FaultSpec = FaultSpec {
        name: "fake.set_cells",
        target: "fake",
        summary: "writes a value into cells",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &FakeTarget,
        params: SetCellsParams,
    ) -> Result<Vec<SetCellsStep>, FaultError> {
        let there = target.world.names().await;
        if let Some(missing) = params.cells.iter().find(|cell| !there.contains(cell)) {
            return Err(FaultError::Preflight(Failure::new(format!("find the cell `{missing}`"))));
        }
        let mut cells = if params.cells.is_empty() { there } else { params.cells };
        cells.retain(|cell| cx.filter.allows(cell));
        Ok(vec![SetCellsStep { handle: cx.handle(), cells, value: params.value, trouble: params.trouble }])
    }

    fn facts(&self, step: &SetCellsStep) -> StepFacts {
        let claim = |cell| Claim { resource: format!("cell {cell}"), access: Access::Write };
        StepFacts {
            undo: "put back what was there, unless somebody else wrote since".to_owned(),
            rope: Rope::None,
            claims: step.cells.iter().map(claim).collect(),
            quantity: Quantity { rows: step.cells.len() as u64, ..Quantity::default() },
            names: step.cells.iter().map(|cell| TargetName::new(NameKind::Table, cell)).collect(),
        }
    }

    async fn arm(
        &self,
        _cx: &StepContext,
        target: &FakeTarget,
        step: &SetCellsStep,
    ) -> Result<NoSession, FaultError> {
        target.world.put_helper(&step.handle, "marker").await;
        Ok(NoSession)
    }

    async fn inject(
        &self,
        cx: &StepContext,
        target: &FakeTarget,
        step: &SetCellsStep,
        _session: &mut NoSession,
    ) -> Result<Effect, FaultError> {
        for (place, cell) in step.cells.iter().enumerate() {
            if place == step.cells.len() / 2 {
                go_wrong(cx, step.trouble).await?;
            }
            cx.progress.report("cells", place as u64, step.cells.len() as u64);
            target.world.transaction(cell, &step.handle, |state| write(state, step, cell)).await?;
            crash_point("fake.set_cells.written");
        }
        Ok(Effect::default().with("cells", step.cells.len()))
    }

    async fn revert(
        &self,
        _cx: &StepContext,
        target: &FakeTarget,
        step: &SetCellsStep,
    ) -> Result<Reverted, FaultError> {
        // First the marker: an injection that comes late finds no fence and refuses.
        target.world.remove_helper(&step.handle).await;
        let mut reverted = Reverted::new(RevertOutcome::NothingToDo);
        let mut restored = 0;
        for (name, text) in target.world.helpers(&image_name(step, "")).await {
            let image: Image = serde_json::from_str(&text)
                .map_err(|error| FaultError::Target(Failure::new(format!("read `{name}`")).source(error)))?;
            let change = |state: &mut State| Ok(restore(state, &name, &image));
            let is_restored = target.world.transaction(&image.cell, &step.handle, change).await?;
            crash_point("fake.set_cells.restored");
            if is_restored {
                restored += 1;
                reverted.outcome = RevertOutcome::Restored;
            } else {
                let found = "changed since by somebody else, left as it is".to_owned();
                reverted.push_conflict(Conflict { what: format!("cell {}", image.cell), found });
            }
        }
        reverted.effect = Effect::default().with("cells", restored);
        Ok(reverted)
    }

    async fn disarm(
        &self,
        _cx: &StepContext,
        target: &FakeTarget,
        step: &SetCellsStep,
    ) -> Result<(), FaultError> {
        for (name, _) in target.world.helpers(&step.handle).await {
            target.world.remove_helper(&name).await;
        }
        Ok(())
    }
}

fn image_name(step: &SetCellsStep, cell: &str) -> String {
    format!("{}/{cell}", step.handle)
}

fn write(state: &mut State, step: &SetCellsStep, cell: &str) -> Result<(), FaultError> {
    if !state.helpers.contains_key(&step.handle) {
        let what = format!("write `{cell}`: the marker `{}` is gone", step.handle);
        return Err(FaultError::Target(Failure::new(what)));
    }
    let before = state.cells.get(cell).cloned();
    let ours = state.write(cell, &step.value);
    let image = Image { cell: cell.to_owned(), before, ours };
    let text = serde_json::to_string(&image).expect("an image is JSON");
    state.helpers.insert(image_name(step, cell), text);
    Ok(())
}

/// Puts back what was there and forgets the image, unless somebody else wrote since.
fn restore(state: &mut State, name: &str, image: &Image) -> bool {
    let is_ours = state.cells.get(&image.cell).is_some_and(|cell| cell.revision == image.ours);
    if is_ours {
        match &image.before {
            Some(before) => state.cells.insert(image.cell.clone(), before.clone()),
            None => state.cells.remove(&image.cell),
        };
        state.helpers.remove(name);
    }
    is_ours
}

async fn go_wrong(cx: &StepContext, trouble: Trouble) -> Result<(), FaultError> {
    match trouble {
        Trouble::None => Ok(()),
        Trouble::Fail => Err(FaultError::Target(Failure::new("write the other half"))),
        Trouble::Panic => panic!("the code of this fault is broken"),
        Trouble::Slow => {
            cx.cancel.cancelled().await;
            Err(FaultError::Cancelled)
        }
    }
}
