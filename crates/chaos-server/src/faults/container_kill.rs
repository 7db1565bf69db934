//! Kills the first process of a container, as a crash would, and sees that the container runs again.
//!
//! The signal is sent to the process itself. What the engines call `kill` counts as a stop on purpose: no restart policy applies
//! after it, and a container that runs `unless-stopped` would stay stopped over a reboot. After a crash the policy brings the
//! container back; where there is none, the undo does. A reboot leaves a container as it would have left it without us.

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
    include_str!("container_kill/inject.sh")
);
const UNDO: &str = concat!(
    include_str!("container.sh"),
    include_str!("container/undo.sh"),
    include_str!("container_kill/undo.sh")
);

/// An engine takes its time when it is busy.
const INJECT_MAX: Duration = Duration::from_secs(60);
/// The signals that end a process unless it handles them.
const SIGNALS: [&str; 8] = ["KILL", "TERM", "INT", "QUIT", "HUP", "ABRT", "SEGV", "BUS"];

/// Kills the first process of a container: `server.container_kill`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContainerKill;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The signal, with or without `SIG`: `KILL`, `TERM`, `INT`, `QUIT`, `HUP`, `ABRT`, `SEGV`, `BUS`. The first process of a
    /// container ignores all but `KILL` unless it handles them; a container that goes on after it is a failure of this fault.
    /// Default: `KILL`.
    pub signal: String,
}

impl Default for Params {
    fn default() -> Self {
        Self { signal: "KILL".to_owned() }
    }
}

/// A container to be killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The container as it was found.
    pub state: State,
    /// The signal, without `SIG`.
    pub signal: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "send SIG{} to the first process of the {}", self.signal, self.state)
    }
}

impl HostFault for ContainerKill {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.container_kill",
        target: "server",
        summary: "Kills a container as a crash would",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const UNDO_STARTS_PROCESSES: bool = true;
    const OUTLIVES_REBOOT: bool = false;
    const CLAIMS_ON_HOST: bool = true;

    fn check(&self, params: &Params) -> Result<(), Misfit> {
        signal(&params.signal).map(drop)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let signal = signal(&params.signal)?;
        let state = container::look_running(cx, target, Self::SPEC.name).await?;
        container::require_restartable(&state)?;
        container::container_pid(target, &state.container).await?;
        Ok(vec![Step { state, signal }])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        let undo = match step.state.policy.as_str() {
            "no" => "start it again".to_owned(),
            policy => format!("see that its restart policy ({policy}) starts it again, or start it"),
        };
        container::facts(&step.state, undo)
    }

    fn undo(&self, step: &Step, _id: &str) -> Script {
        container::again(UNDO, &step.state)
    }

    fn inject(&self, step: &Step, _id: &str) -> Script {
        container::again(INJECT, &step.state).set("signal", &step.signal)
    }

    fn inject_limits(&self, _step: &Step) -> Limits {
        Limits::time(INJECT_MAX)
    }

    fn conflict(&self, step: &Step, _what: &str) -> String {
        step.state.to_string()
    }
}

fn signal(text: &str) -> Result<String, Misfit> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if SIGNALS.contains(&name) {
        return Ok(name.to_owned());
    }
    let hint = format!("write one of `{}`", SIGNALS.join("`, `"));
    Err(Misfit::new("`signal` must be a signal that ends a process").at("signal").hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signals_that_end_a_process_are_sent() {
        for (text, name) in [("KILL", "KILL"), ("sigterm", "TERM"), ("Hup", "HUP")] {
            assert_eq!(signal(text).unwrap(), name);
        }
        for text in ["", "9", "STOP", "CONT", "USR1", "KILL; id", "-KILL", "SIGSIGTERM", "$(id)"] {
            assert!(signal(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_step_of_an_older_journal_still_loads_and_is_written_the_same() {
        let text = r#"{"state":{"container":{"engine":"podman","name":"web","id":"ab"},"status":"running","started":"s","policy":"no","is_removed_at_end":false,"health":"","is_ungrouped":true},"signal":"KILL"}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&step).unwrap(), text);
        assert_eq!(step.to_string(), "send SIGKILL to the first process of the container `web` (podman)");
    }
}
