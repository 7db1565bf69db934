//! What one fault on a host has to say; [`OnHost`](crate::OnHost) does the rest.

use std::fmt::Display;
use std::future::Future;

use chaos_core::target::TargetName;
use chaos_core::{Claim, Effect, FaultError, FaultSpec, Misfit, PrepareContext};
use chaos_host::{Answer, Limits, Output, Script};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::target::ServerTarget;

/// What people and policy must know of one step on a host.
#[derive(Debug, Clone, Default)]
pub struct HostFacts {
    /// How it will be undone, in one line.
    pub undo: String,
    /// What it touches and how, so that two steps that block each other are refused.
    pub claims: Vec<Claim>,
    /// The services, paths, processes, networks that it touches.
    pub names: Vec<TargetName>,
    /// Mount points that must be there before an undo at boot can run; only for a fault that outlives a reboot.
    pub mounts: Vec<String>,
}

/// Something that changes a host, and can take it back.
pub trait HostFault: Default + Send + Sync + 'static {
    /// See [`chaos_core::Fault::Params`].
    type Params: DeserializeOwned + JsonSchema + Send;
    /// Everything needed to act and to undo, chosen before. See [`chaos_core::Fault::Step`].
    type Step: Serialize + DeserializeOwned + Display + Send + Sync;

    /// What is known about the fault before it is used.
    const SPEC: FaultSpec;
    /// Whether the effect is still there after a reboot of the host. Then an undo runs at boot; otherwise after a reboot
    /// nothing is done at all, and the undo may count on that.
    const OUTLIVES_REBOOT: bool;
    /// Whether the host itself refuses a second run on what the step claims. For faults whose undo would take what another run has
    /// made for the original or for its own, or would be kept from its work by the other's effect. The others undo only what bears
    /// the name of their step.
    const CLAIMS_ON_HOST: bool = false;

    /// Whether the undo starts processes that stay. Our own undo then runs in a unit of its own, as the one of the deadline does:
    /// from our login they would end with it.
    const UNDO_STARTS_PROCESSES: bool = false;

    /// See [`chaos_core::Fault::check`].
    fn check(&self, _params: &Self::Params) -> Result<(), Misfit> {
        Ok(())
    }

    /// Chooses what will be done and checks that it can be done and undone: rights, tools, space, kernel. Reads only.
    fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: Self::Params,
    ) -> impl Future<Output = Result<Vec<Self::Step>, FaultError>> + Send;

    /// Returns what people and policy must know of a step.
    fn facts(&self, step: &Self::Step) -> HostFacts;

    /// Returns the units that an undo at boot comes after, because it needs them; only for a fault that outlives a reboot.
    /// Without any it comes before everything of the host's own.
    fn boots_after(&self, _step: &Self::Step) -> Vec<String> {
        Vec::new()
    }

    /// Returns the script that takes the step back. It is written to the host before the effect, and the deadline runs it
    /// there with nothing else at hand: see [`chaos_host::Rope::new`] for what it must keep to, and [`Answer`] for what it tells.
    /// `id` is unique for the step and names everything that the step makes: units `ID-NAME.service`, tables, files.
    fn undo(&self, step: &Self::Step, id: &str) -> Script;

    /// Returns the script that acts, and that reads back the effect: it fails when the effect is not there, and tells what it
    /// did as `KEY=VALUE`. It runs under the lock of the rope, so it must be short; long work runs in a unit named after `id`.
    fn inject(&self, step: &Self::Step, id: &str) -> Script;

    /// What the inject script may cost.
    fn inject_limits(&self, _step: &Self::Step) -> Limits {
        Limits::default()
    }

    /// Goes on after the inject script, outside the lock: waits for long work, looks from outside. Returns the effect.
    fn settle(
        &self,
        _cx: &chaos_core::StepContext,
        _target: &ServerTarget,
        _step: &Self::Step,
        _id: &str,
        output: Output,
    ) -> impl Future<Output = Result<Effect, FaultError>> + Send {
        std::future::ready(Ok(effect(&output)))
    }

    /// Returns a script that measures at the end of the hold what the effect was, and fails where it was not there any more.
    fn measure(&self, _step: &Self::Step, _id: &str) -> Option<Script> {
        None
    }

    /// Looks from outside, after the undo on the host said that it is done.
    fn verify(
        &self,
        _target: &ServerTarget,
        _step: &Self::Step,
        _id: &str,
        _answer: &Answer,
    ) -> impl Future<Output = Result<(), FaultError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Returns the thing that the undo named in a conflict, for people.
    fn conflict(&self, _step: &Self::Step, what: &str) -> String {
        what.to_owned()
    }
}

/// Makes an effect of what a script told: numbers as numbers, everything else as text.
pub fn effect(output: &Output) -> Effect {
    let text = String::from_utf8_lossy(&output.stdout);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.fold(Effect::default(), |effect, (key, value)| {
        let number = value.parse::<u64>().ok().map(Value::from);
        effect.with(key, number.unwrap_or_else(|| Value::from(value)))
    })
}
