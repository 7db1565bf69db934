//! Freezes all processes of a container, and lets them go on.
//!
//! A reboot ends the pause: then the engine starts the container anew as its restart policy says, as it would have done
//! without us.

use std::fmt;
use std::time::Duration;

use chaos_core::{FaultError, FaultSpec, PrepareContext, Reversibility, Risk};
use chaos_host::{Limits, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::container::{self, State};
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

const INJECT: &str = concat!(
    include_str!("container.sh"),
    include_str!("container/life.sh"),
    include_str!("container_pause/inject.sh")
);
const UNDO: &str = concat!(
    include_str!("container.sh"),
    include_str!("container/undo.sh"),
    include_str!("container_pause/undo.sh")
);
const MEASURE: &str = concat!(include_str!("container.sh"), include_str!("container_pause/measure.sh"));

/// An engine takes its time when it is busy.
const INJECT_MAX: Duration = Duration::from_secs(60);

/// Freezes all processes of a container: `server.container_pause`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContainerPause;

/// What a person writes: nothing. The container is that of the target.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// A container to be paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The container as it was found.
    pub state: State,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pause the {}", self.state)
    }
}

impl HostFault for ContainerPause {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.container_pause",
        target: "server",
        summary: "Freezes all processes of a container",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const OUTLIVES_REBOOT: bool = false;
    const CLAIMS_ON_HOST: bool = true;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        _params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let state = container::look_running(cx, target, Self::SPEC.name).await?;
        Ok(vec![Step { state }])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        container::facts(&step.state, "let it go on".to_owned())
    }

    fn undo(&self, step: &Step, _id: &str) -> Script {
        container::again(UNDO, &step.state)
    }

    fn inject(&self, step: &Step, _id: &str) -> Script {
        container::again(INJECT, &step.state)
    }

    fn inject_limits(&self, _step: &Step) -> Limits {
        Limits::time(INJECT_MAX)
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
        let text = r#"{"state":{"container":{"engine":"podman","name":"web","id":"ab"},"status":"running","started":"s","policy":"no","is_removed_at_end":false,"health":"","is_ungrouped":true}}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&step).unwrap(), text);
        assert_eq!(step.to_string(), "pause the container `web` (podman)");
    }
}
