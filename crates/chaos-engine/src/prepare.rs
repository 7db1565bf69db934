//! Connects, asks and plans. Nothing is changed anywhere.

use std::sync::Arc;

use chaos_core::erased::PreparedStep;
use chaos_core::{DynTarget, ExperimentPlan, Plan, PlannedStep, PrepareContext, RunId, StepId};
use futures::future::join_all;
use serde_json::Value;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::lanes::{Bounds, permit};
use crate::members::{Connected, trouble};
use crate::request::{ExperimentRequest, FaultUse};
use crate::stop::StopSignal;

/// A plan, with the targets it was made on.
pub struct Prepared {
    /// The plan, for review.
    pub plan: Plan,
    /// The connected targets of each experiment, in the order of its plan.
    pub targets: Vec<Vec<PreparedTarget>>,
}

/// A connected target, and how another process can connect to it.
pub struct PreparedTarget {
    /// The target.
    pub target: Arc<dyn DynTarget>,
    /// Everything needed to connect again with an empty environment. Holds secrets.
    pub config: Value,
}

/// What a preparation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrepareMode {
    /// The plan will run: what dead runs have left on its targets is undone first.
    Run,
    /// The plan will only be shown: nothing is changed, and what is left is only said.
    DryRun,
}

/// Counts uses, waves and steps over all experiments of a run.
struct Numbers {
    run: RunId,
    seed: u64,
    uses: u32,
    waves: u32,
    steps: u32,
}

impl Engine {
    /// Connects each target, and lets each fault choose its steps.
    ///
    /// # Errors
    /// When a target cannot be reached or a fault cannot be undone there; nothing was touched.
    pub async fn prepare(
        &self,
        requests: Vec<ExperimentRequest>,
        seed: u64,
        mode: PrepareMode,
        stop: &StopSignal,
    ) -> Result<Prepared, EngineError> {
        let run = RunId::new(self.clock.now(), rand::random());
        let mut numbers = Numbers { run: run.clone(), seed, uses: 0, waves: 0, steps: 0 };
        let mut experiments = Vec::new();
        let mut targets = Vec::new();
        for request in requests {
            let (plan, connected) = self.prepare_experiment(request, mode, &mut numbers, stop).await?;
            experiments.push(plan);
            targets.push(connected);
        }
        Ok(Prepared { plan: Plan { run, seed, experiments }, targets })
    }

    async fn prepare_experiment(
        &self,
        request: ExperimentRequest,
        mode: PrepareMode,
        numbers: &mut Numbers,
        stop: &StopSignal,
    ) -> Result<(ExperimentPlan, Vec<PreparedTarget>), EngineError> {
        let connecting = self.connect_targets(&request, numbers.seed);
        let connected = self.bounded(&request, stop, connecting).await?;
        // Before the faults look: what they find must not be the leavings of another run. A rollback is never cancelled and
        // has bounds of its own.
        self.clean_targets(&connected.refs, mode).await?;
        let steps = self.bounded(&request, stop, self.prepare_uses(&request, &connected, numbers)).await?;
        let plan = ExperimentPlan {
            name: request.name,
            hold: request.hold,
            parallel: request.parallel,
            targets: connected.refs,
            skipped: connected.skipped,
            notes: connected.notes,
            steps,
        };
        Ok((plan, connected.targets))
    }

    /// Waits for a part of the preparation, but not for ever, and not when we are asked to stop.
    async fn bounded<T>(
        &self,
        request: &ExperimentRequest,
        stop: &StopSignal,
        part: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let why =
            |why: &str| EngineError::NotPrepared { experiment: request.name.clone(), why: why.to_owned() };
        tokio::select! {
            result = part => result,
            () = stop.token().cancelled() => Err(why("stopped before anything was done")),
            () = tokio::time::sleep(self.options.prepare_max) => Err(why("it took too long")),
        }
    }

    async fn prepare_uses(
        &self,
        request: &ExperimentRequest,
        connected: &Connected,
        numbers: &mut Numbers,
    ) -> Result<Vec<PlannedStep>, EngineError> {
        let bounds = Bounds::of(&connected.refs);
        let mut steps = Vec::new();
        for fault_use in &request.uses {
            for _ in 0..fault_use.count {
                steps.extend(self.prepare_wave(request, fault_use, connected, &bounds, numbers).await?);
            }
        }
        Ok(steps)
    }

    /// Prepares one use of a fault, on all members of its target side by side.
    async fn prepare_wave(
        &self,
        request: &ExperimentRequest,
        fault_use: &FaultUse,
        connected: &Connected,
        bounds: &Bounds,
        numbers: &mut Numbers,
    ) -> Result<Vec<PlannedStep>, EngineError> {
        let name = &fault_use.fault;
        let fault = self.catalog.fault(name).ok_or_else(|| EngineError::UnknownFault(name.clone()))?;
        let places = connected.places.get(fault_use.target).map_or(&[][..], Vec::as_slice);
        numbers.waves += 1;
        let preparing = places.iter().map(|place| {
            let bound = bounds.get(&connected.refs[*place].name);
            let target = &*connected.targets[*place].target;
            let (cx, params) = (numbers.next_use(request), fault_use.params.clone());
            async move {
                let _permit = permit(bound).await;
                fault.prepare(&cx, target, params).await
            }
        });
        let preparing: Vec<_> = preparing.collect();
        let (mut steps, mut failures) = (Vec::new(), Vec::new());
        for (place, prepared) in places.iter().zip(join_all(preparing).await) {
            match prepared {
                Ok(found) => steps.extend(found.into_iter().map(|step| numbers.plan(name, *place, step))),
                Err(error) => failures.push((connected.refs[*place].member.clone(), error)),
            }
        }
        if failures.is_empty() {
            return Ok(steps);
        }
        let what = match request.targets.get(fault_use.target) {
            Some(target) if !target.name.is_empty() => format!("`{name}` on `{}`", target.name),
            Some(_) | None => format!("`{name}`"),
        };
        Err(trouble(request, what, places.len(), failures))
    }
}

impl Numbers {
    fn next_use(&mut self, request: &ExperimentRequest) -> PrepareContext {
        self.uses += 1;
        PrepareContext {
            run: self.run.clone(),
            use_number: self.uses,
            seed: seed_of_use(self.seed, self.uses),
            hold: request.hold,
            filter: request.filter.clone(),
        }
    }

    fn plan(&mut self, fault: &str, target: usize, prepared: PreparedStep) -> PlannedStep {
        self.steps += 1;
        let PreparedStep { summary, facts, step } = prepared;
        let (id, fault, wave) = (StepId(self.steps), fault.to_owned(), self.waves);
        PlannedStep { id, fault, summary, facts, step, target, wave }
    }
}

/// Derives the seed of one use from the seed of the run (SplitMix64), so that uses do not repeat each other's choices.
fn seed_of_use(seed: u64, use_number: u32) -> u64 {
    let mut z = seed.wrapping_add(u64::from(use_number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
