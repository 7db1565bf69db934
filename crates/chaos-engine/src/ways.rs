//! How a recovery reaches the targets of a dead run: from what the run handed over, from the file that it was read from, or from
//! what the journal kept.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use chaos_core::{ExperimentPlan, MembersRequest, RecordBody, StepState, TargetRef};
use futures::future::join_all;
use serde_json::Value;

use crate::engine::{ConfigPlace, Engine, FoundConfig};
use crate::events::EngineEvent;
use crate::lanes::Bounds;
use crate::ledger::Ledger;
use crate::recover::{Credentials, RecoverOptions};
use crate::rollback::{Job, Standing, Way};
use crate::run_state::{RunState, StepStatus};

impl Engine {
    /// How each target of the open steps is reached, and what is to be done there.
    pub(crate) async fn ways<'a>(
        &self,
        state: &'a RunState,
        open: &[&'a StepStatus],
        options: &RecoverOptions,
        credentials: &Credentials,
        ledger: &Ledger,
    ) -> (Vec<Way<'a>>, Vec<Job<'a>>) {
        // The first step of each target, newest first.
        let mut firsts: Vec<&StepStatus> = Vec::new();
        let mut jobs = Vec::new();
        for step in open {
            let way = firsts.iter().position(|first| is_same_target(first, step)).unwrap_or_else(|| {
                firsts.push(step);
                firsts.len() - 1
            });
            let standing = Standing { state: accept(step, options, ledger).await, has_acted: step.has_acted };
            let order = (step.experiment, step.planned.wave);
            jobs.push(Job { planned: &step.planned, standing, way, order });
        }
        let configs = firsts.iter().map(|step| self.config_of(state, step, options, credentials));
        let configs = join_all(configs).await;
        let bounds = bounds(&firsts);
        let ways = firsts.iter().zip(configs).map(|(step, config)| Way {
            target: &step.target,
            hold: planned(state, step).map_or(Duration::ZERO, |experiment| experiment.hold),
            living: None,
            config,
            bound: bounds.get(&step.experiment).and_then(|bounds| bounds.get(&step.target.name)),
            sessions: Vec::new(),
        });
        (ways.collect(), jobs)
    }

    async fn config_of(
        &self,
        state: &RunState,
        step: &StepStatus,
        options: &RecoverOptions,
        credentials: &Credentials,
    ) -> Result<Value, String> {
        match credentials {
            Credentials::InMemory(configs) => {
                let config =
                    configs.get(step.experiment).and_then(|configs| configs.get(step.planned.target));
                config.cloned().ok_or_else(|| "it was not handed over".to_owned())
            }
            Credentials::Journal => {
                let name = planned(state, step).map(|experiment| experiment.name.as_str());
                let seed = state.plan.as_ref().map_or(0, |plan| plan.seed);
                let config = self.configuration(&step.target, name, seed, options).await?;
                Ok(self.recall(&step.target, config))
            }
        }
    }

    /// The file first: it has what the journal must not keep. Where it is gone, the references in the journal may do.
    async fn configuration(
        &self,
        target: &TargetRef,
        name: Option<&str>,
        seed: u64,
        options: &RecoverOptions,
    ) -> Result<Value, String> {
        if let Some(file) = &options.config {
            return self.config_in(file, target, name, seed).await;
        }
        let Some(file) = &target.file else { return self.loader.resolve(&target.config) };
        match self.config_in(file, target, name, seed).await {
            Ok(config) => Ok(config),
            Err(why) => {
                self.events.event(EngineEvent::Notice(format!("{why}; trying what the journal kept")));
                self.loader.resolve(&target.config)
            }
        }
    }

    /// The configuration that stands in a file now, for the one system of it that is meant.
    async fn config_in(
        &self,
        file: &Path,
        target: &TargetRef,
        experiment: Option<&str>,
        seed: u64,
    ) -> Result<Value, String> {
        let place = ConfigPlace { file, index: target.index, experiment, target: &target.name };
        let FoundConfig { config, as_written } = self.loader.load(&place)?;
        let Some(connector) = self.catalog.connector(&target.kind) else { return Ok(config) };
        let request = MembersRequest {
            config,
            as_written,
            directory: file.parent().map(Path::to_owned),
            seed,
            only: Some(target.member.clone()).filter(|name| !name.is_empty()),
        };
        let members = connector.members(request).await.map_err(|error| error.chain())?;
        let member = members.list.into_iter().find(|member| member.name == target.member);
        member
            .map(|member| member.config)
            .ok_or_else(|| format!("`{}` names no `{}` any more", file.display(), target.title()))
    }

    /// What was relative to the run must not mean something else here.
    fn recall(&self, target: &TargetRef, config: Value) -> Value {
        match self.catalog.connector(&target.kind) {
            Some(connector) => connector.recall(config, &target.identity),
            None => config,
        }
    }
}

/// The open steps: of the newest experiment and wave first, and of these with the newest intent.
pub(crate) fn newest_first(state: &RunState) -> Vec<&StepStatus> {
    let mut open: Vec<&StepStatus> = state.open_steps().collect();
    open.sort_by_key(|step| Reverse((step.experiment, step.planned.wave)));
    open
}

fn is_same_target(one: &StepStatus, other: &StepStatus) -> bool {
    (one.experiment, one.planned.target) == (other.experiment, other.planned.target)
}

/// The bounds of each experiment.
fn bounds(targets: &[&StepStatus]) -> HashMap<usize, Bounds> {
    let mut bounds = HashMap::new();
    for step in targets {
        bounds.entry(step.experiment).or_insert_with(|| {
            let of_experiment = targets.iter().filter(|other| other.experiment == step.experiment);
            Bounds::of(of_experiment.map(|other| &other.target))
        });
    }
    bounds
}

fn planned<'a>(state: &'a RunState, step: &StepStatus) -> Option<&'a ExperimentPlan> {
    state.plan.as_ref().and_then(|plan| plan.experiments.get(step.experiment))
}

async fn accept(step: &StepStatus, options: &RecoverOptions, ledger: &Ledger) -> StepState {
    if step.state == StepState::Conflict && options.accept_conflicts {
        ledger.note(RecordBody::Accepted { step: step.planned.id }).await;
        return StepState::Accepted;
    }
    step.state
}
