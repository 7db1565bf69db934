//! Faults that are one load in a unit of ours: each says what the load is, the rest is the same for all.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Access, Claim, Effect, FaultError, FaultSpec, Misfit, PrepareContext, StepContext};
use chaos_host::{Output, Script};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{HostRoom, Unit};
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

const STOP: &str = include_str!("stop.sh");

/// What a fault says whose effect is one load; [`InUnit`] does the rest.
pub trait LoadFault: Default + Send + Sync + 'static {
    /// See [`HostFault::Params`].
    type Params: DeserializeOwned + JsonSchema + Send;
    /// See [`HostFault::Step`].
    type Step: Serialize + DeserializeOwned + Display + Send + Sync;

    /// What is known of the fault before it is used.
    const SPEC: FaultSpec;
    /// What the load takes. Two loads that take the same would spoil each other's measure and reserve.
    const KIND: &'static str;

    /// See [`HostFault::check`].
    fn check(_given: &Self::Params) -> Result<(), Misfit> {
        Ok(())
    }

    /// Chooses the load for a host that can bear so much. Its unit ends by itself after so many seconds.
    fn choose(
        target: &ServerTarget,
        given: Self::Params,
        room: &HostRoom,
        seconds: u64,
    ) -> impl Future<Output = Result<Self::Step, FaultError>> + Send;

    /// Returns the unit that makes the load.
    fn unit(step: &Self::Step, id: &str) -> Unit;

    /// Returns the script that looks at the load. It ends with the status for "busy" as long as the load still grows.
    fn look(step: &Self::Step, id: &str) -> Script;

    /// As [`LoadFault::look`], until the load is there for the first time.
    fn look_first(step: &Self::Step, id: &str) -> Script {
        Self::look(step, id)
    }

    /// Returns how long it takes at most until the load is there.
    fn settled_within(step: &Self::Step) -> Duration;

    /// Returns what the load works on, beside its own processes.
    fn names(_step: &Self::Step) -> Vec<TargetName> {
        Vec::new()
    }

    /// Returns the files that the load may leave.
    fn files(_step: &Self::Step, _id: &str) -> Vec<String> {
        Vec::new()
    }
}

/// A fault on a host that is one load in a unit of ours.
#[derive(Debug, Clone, Copy, Default)]
pub struct InUnit<L>(pub L);

impl<L: LoadFault> HostFault for InUnit<L> {
    type Params = L::Params;
    type Step = L::Step;

    const SPEC: FaultSpec = L::SPEC;
    const OUTLIVES_REBOOT: bool = false;

    fn check(&self, given: &L::Params) -> Result<(), Misfit> {
        L::check(given)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        given: L::Params,
    ) -> Result<Vec<L::Step>, FaultError> {
        let room = super::room(target).await?;
        Ok(vec![L::choose(target, given, &room, super::seconds(cx, target)).await?])
    }

    fn facts(&self, step: &L::Step) -> HostFacts {
        let load = TargetName::new(NameKind::Process, "load");
        HostFacts {
            undo: "end the unit that holds the load".to_owned(),
            claims: vec![Claim { resource: format!("load {}", L::KIND), access: Access::BlockAll }],
            names: [load].into_iter().chain(L::names(step)).collect(),
            ..HostFacts::default()
        }
    }

    fn undo(&self, step: &L::Step, id: &str) -> Script {
        Script::new(STOP).set("id", id).args(L::files(step, id))
    }

    fn inject(&self, step: &L::Step, id: &str) -> Script {
        L::unit(step, id).start(id)
    }

    async fn settle(
        &self,
        cx: &StepContext,
        target: &ServerTarget,
        step: &L::Step,
        id: &str,
        _output: Output,
    ) -> Result<Effect, FaultError> {
        super::settled(cx, target, &L::look_first(step, id), L::settled_within(step)).await
    }

    fn measure(&self, step: &L::Step, id: &str) -> Option<Script> {
        Some(L::look(step, id))
    }
}
