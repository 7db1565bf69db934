//! Stops a container, and starts it again.
//!
//! An engine remembers that a container was stopped on purpose: one that runs `unless-stopped` would stay stopped over a reboot.
//! So the undo has a unit for the next boot, which comes after the engines. There it starts only such a container: all others are
//! after a reboot what they would have been without us.

use std::fmt;
use std::time::Duration;

use chaos_core::{FaultError, FaultSpec, Misfit, PrepareContext, Reversibility, Risk};
use chaos_host::{Limits, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::container::{self, State};
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

const INJECT: &str = concat!(
    include_str!("container.sh"),
    include_str!("container/life.sh"),
    include_str!("container_stop/inject.sh")
);
const UNDO: &str = concat!(
    include_str!("container.sh"),
    include_str!("container/undo.sh"),
    include_str!("container_stop/undo.sh")
);
const MEASURE: &str = concat!(include_str!("container.sh"), include_str!("container_stop/measure.sh"));

/// An engine takes its time when it is busy.
const ENGINE_MAX: Duration = Duration::from_secs(40);
/// The undo of the deadline waits 45 seconds for an inject that is at work.
const GRACE_MAX: u16 = 20;
/// What an undo at boot comes after.
const ENGINES: [&str; 4] =
    ["docker.socket", "docker.service", "containerd.service", "podman-restart.service"];

/// Stops a container: `server.container_stop`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContainerStop;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many seconds the container has to stop by itself before it is killed, 0 to 20. Default: 10.
    #[schemars(range(min = 0, max = 20))]
    pub grace_seconds: u16,
}

impl Default for Params {
    fn default() -> Self {
        Self { grace_seconds: 10 }
    }
}

/// A container to be stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The container as it was found.
    pub state: State,
    /// Seconds until it is killed.
    pub grace_seconds: u16,
    /// The boot of the host in which it was found so.
    pub boot: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stop the {}", self.state)
    }
}

impl HostFault for ContainerStop {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.container_stop",
        target: "server",
        summary: "Stops a container",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const UNDO_STARTS_PROCESSES: bool = true;
    const OUTLIVES_REBOOT: bool = true;
    const CLAIMS_ON_HOST: bool = true;

    fn check(&self, params: &Params) -> Result<(), Misfit> {
        if params.grace_seconds <= GRACE_MAX {
            return Ok(());
        }
        Err(Misfit::new(format!("`grace_seconds` must be 0 to {GRACE_MAX}")).at("grace_seconds"))
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let state = container::look_running(cx, target, Self::SPEC.name).await?;
        container::require_restartable(&state)?;
        let boot = target.facts().boot_id.clone();
        Ok(vec![Step { state, grace_seconds: params.grace_seconds, boot }])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        container::facts(&step.state, "start it again".to_owned())
    }

    fn boots_after(&self, _step: &Step) -> Vec<String> {
        ENGINES.map(str::to_owned).to_vec()
    }

    fn undo(&self, step: &Step, _id: &str) -> Script {
        container::again(UNDO, &step.state).set("boot", &step.boot)
    }

    fn inject(&self, step: &Step, _id: &str) -> Script {
        container::again(INJECT, &step.state).set("grace", step.grace_seconds.to_string())
    }

    fn inject_limits(&self, step: &Step) -> Limits {
        Limits::time(ENGINE_MAX + Duration::from_secs(step.grace_seconds.into()))
    }

    fn measure(&self, step: &Step, _id: &str) -> Option<Script> {
        Some(container::again(MEASURE, &step.state))
    }

    fn conflict(&self, step: &Step, _what: &str) -> String {
        step.state.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_an_older_journal_still_loads_and_is_written_the_same() {
        let text = r#"{"state":{"container":{"engine":"podman","name":"web","id":"ab"},"status":"running","started":"s","policy":"no","is_removed_at_end":false,"health":"","is_ungrouped":true},"grace_seconds":10,"boot":"b"}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&step).unwrap(), text);
        assert_eq!(step.to_string(), "stop the container `web` (podman)");
    }
}
