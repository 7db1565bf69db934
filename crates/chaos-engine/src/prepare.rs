//! Connects, asks and plans. Nothing is changed anywhere.

use std::sync::Arc;

use chaos_core::erased::PreparedStep;
use chaos_core::{
    DynConnector, DynTarget, ExperimentPlan, FaultError, Plan, PlannedStep, PrepareContext, RunId, StepId,
    TargetRef,
};
use serde_json::Value;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::request::{ExperimentRequest, FaultUse};
use crate::stop::StopSignal;

/// A plan, with the targets it was made on.
pub struct Prepared {
    /// The plan, for review.
    pub plan: Plan,
    /// The connected targets, one an experiment.
    pub targets: Vec<PreparedTarget>,
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

/// Counts uses and steps over all experiments of a run.
struct Numbers {
    run: RunId,
    seed: u64,
    uses: u32,
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
        let mut numbers = Numbers { run: run.clone(), seed, uses: 0, steps: 0 };
        let mut experiments = Vec::new();
        let mut targets = Vec::new();
        for request in requests {
            let (plan, target) = self.prepare_experiment(request, mode, &mut numbers, stop).await?;
            experiments.push(plan);
            targets.push(target);
        }
        Ok(Prepared { plan: Plan { run, seed, experiments }, targets })
    }

    async fn prepare_experiment(
        &self,
        request: ExperimentRequest,
        mode: PrepareMode,
        numbers: &mut Numbers,
        stop: &StopSignal,
    ) -> Result<(ExperimentPlan, PreparedTarget), EngineError> {
        let connector = self
            .catalog
            .connector(&request.kind)
            .ok_or_else(|| EngineError::UnknownTarget(request.kind.clone()))?;
        let target = self.bounded(&request, stop, connect(&**connector, &request)).await?;
        // Before the faults look: what they find must not be the leavings of another run. A rollback is never cancelled and
        // has bounds of its own.
        self.clean_target(target.identity(), mode).await?;
        let steps = self.bounded(&request, stop, self.prepare_uses(&request, &*target, numbers)).await?;
        let plan = ExperimentPlan {
            target: TargetRef {
                kind: request.kind.clone(),
                identity: target.identity().clone(),
                config: connector.redact(&request.config_as_written),
                file: request.file,
                index: request.index,
            },
            name: request.name,
            hold: request.hold,
            parallel: request.parallel,
            steps,
        };
        Ok((plan, PreparedTarget { target, config: connector.with_environment(request.config) }))
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
        target: &dyn DynTarget,
        numbers: &mut Numbers,
    ) -> Result<Vec<PlannedStep>, EngineError> {
        let mut steps = Vec::new();
        for fault_use in &request.uses {
            for _ in 0..fault_use.count {
                steps.extend(self.prepare_use(request, fault_use, target, numbers).await?);
            }
        }
        Ok(steps)
    }

    async fn prepare_use(
        &self,
        request: &ExperimentRequest,
        fault_use: &FaultUse,
        target: &dyn DynTarget,
        numbers: &mut Numbers,
    ) -> Result<Vec<PlannedStep>, EngineError> {
        let name = &fault_use.fault;
        let fault = self.catalog.fault(name).ok_or_else(|| EngineError::UnknownFault(name.clone()))?;
        let cx = numbers.next_use(request);
        let steps = fault.prepare(&cx, target, fault_use.params.clone()).await;
        let steps = steps.map_err(|source| failed(request, format!("`{name}`"), source))?;
        Ok(steps.into_iter().map(|step| numbers.plan(name, step)).collect())
    }
}

async fn connect(
    connector: &dyn DynConnector,
    request: &ExperimentRequest,
) -> Result<Arc<dyn DynTarget>, EngineError> {
    let connected = connector.connect(request.config.clone()).await;
    connected.map_err(|source| failed(request, format!("the {}", request.kind), source))
}

fn failed(request: &ExperimentRequest, what: String, source: FaultError) -> EngineError {
    EngineError::Prepare { experiment: request.name.clone(), what, source }
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

    fn plan(&mut self, fault: &str, prepared: PreparedStep) -> PlannedStep {
        self.steps += 1;
        let PreparedStep { summary, facts, step } = prepared;
        PlannedStep { id: StepId(self.steps), fault: fault.to_owned(), summary, facts, step }
    }
}

/// Derives the seed of one use from the seed of the run (SplitMix64), so that uses do not repeat each other's choices.
fn seed_of_use(seed: u64, use_number: u32) -> u64 {
    let mut z = seed.wrapping_add(u64::from(use_number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
