//! One container on a host: how its engine is asked about it, and where its processes are.

use std::fmt;
use std::time::Duration;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Access, Claim, Failure, FaultError, PrepareContext, Target};
use chaos_host::{HostError, Limits, Output, Script};
use serde::{Deserialize, Serialize};

use crate::host_fault::HostFacts;
use crate::target::{Container, ServerTarget};

/// Functions of the shell about one container: `container_pid`, `status`, `started`, `ask`. They need `engine` and
/// `container`, which [`about`] sets.
pub const FUNCTIONS: &str = include_str!("container.sh");
const LOOK: &str = concat!(include_str!("container.sh"), include_str!("container/look.sh"));
const PID: &str = concat!(include_str!("container.sh"), "container_pid");

/// Asking an engine takes this long at most.
const LOOK_MAX: Duration = Duration::from_secs(60);

/// Sets in a script which container the [`FUNCTIONS`] are about.
pub fn about(script: Script, container: &Container) -> Script {
    script.set("engine", &container.engine).set("container", &container.id)
}

/// Returns the container that the target stands for.
///
/// # Errors
/// [`FaultError::Preflight`] when the target is a host.
pub fn required<'a>(target: &'a ServerTarget, fault: &str) -> Result<&'a Container, FaultError> {
    target.container().ok_or_else(|| {
        let what = format!("use `{fault}` on `{}`, which is a host", target.identity().label);
        FaultError::Preflight(
            Failure::new(what).hint("say which container is meant with `container:` at the host"),
        )
    })
}

/// Returns the number of the container's first process on the host, for `nsenter -t`. It is of this moment: a script that acts
/// asks `container_pid` itself.
///
/// # Errors
/// [`FaultError::Preflight`] when the container does not run.
pub async fn container_pid(target: &ServerTarget, container: &Container) -> Result<u32, FaultError> {
    let output = target.host().run(&about(Script::new(PID), container), Limits::time(LOOK_MAX)).await?;
    let pid = std::str::from_utf8(&output.stdout).ok().and_then(|text| text.trim().parse().ok());
    pid.filter(|_| output.status == 0).ok_or_else(|| {
        let what = format!("find the processes of the container `{}`", container.name);
        FaultError::Preflight(Failure::new(what).source("it does not run"))
    })
}

/// What an engine says of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Which container.
    pub container: Container,
    /// `running`, `paused`, `exited`, …
    pub status: String,
    /// When it was started last.
    pub started: String,
    /// What its engine does when it ends: `no`, `always`, `unless-stopped`, `on-failure`.
    pub policy: String,
    /// Whether its engine removes it when it ends.
    pub is_removed_at_end: bool,
    /// What its health check says: `healthy`, `unhealthy`, `starting`; empty where it has none.
    pub health: String,
    /// Whether its engine keeps its own processes out of control groups; then what a unit starts ends with that unit.
    pub is_ungrouped: bool,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container `{}` ({})", self.container.name, self.container.engine)
    }
}

/// Asks the engine about the container.
///
/// # Errors
/// When it does not answer, or knows no such container.
pub async fn look(target: &ServerTarget, container: &Container) -> Result<State, FaultError> {
    let script = about(Script::new(LOOK), container);
    let what = format!("ask `{}` about the container `{}`", container.engine, container.name);
    let output = target.host().must(&what, &script, Limits::time(LOOK_MAX)).await;
    let output = output.map_err(|error| match error {
        HostError::Failed { what, said, .. } => FaultError::Preflight(Failure::new(what).source(said)),
        error => error.into(),
    })?;
    Ok(read(container, &output))
}

/// Returns the state when the container runs and is not paused.
///
/// # Errors
/// [`FaultError::Preflight`] when it does not run, or another one of a fault's conditions is not met.
pub(super) async fn look_running(
    cx: &PrepareContext,
    target: &ServerTarget,
    fault: &str,
) -> Result<State, FaultError> {
    let container = required(target, fault)?;
    check_allowed(cx, container)?;
    let state = look(target, container).await?;
    if state.status == "running" {
        return Ok(state);
    }
    let what = format!("act on the container `{}`, which is `{}`", container.name, state.status);
    Err(FaultError::Preflight(
        Failure::new(what).hint("only a container that runs can be disturbed and brought back"),
    ))
}

/// Refuses a container that the experiment may not touch.
pub(super) fn check_allowed(cx: &PrepareContext, container: &Container) -> Result<(), FaultError> {
    if cx.filter.allows(&container.name) {
        return Ok(());
    }
    let what = format!("act on the container `{}`: no `resource_filters` allow it", container.name);
    Err(FaultError::Preflight(Failure::new(what)))
}

/// Returns what the scripts of an undo need to find the container again as it was.
pub(super) fn again(text: &'static str, state: &State) -> Script {
    about(Script::new(text), &state.container)
        .set("name", &state.container.name)
        .set("since", &state.started)
        .set("policy", &state.policy)
        .set("health", &state.health)
}

/// Names a container in claims.
pub(super) fn resource_of(name: &str) -> String {
    format!("container {name}")
}

/// Returns what people and policy must know of a step that keeps the container from working.
pub(super) fn facts(state: &State, undo: String) -> HostFacts {
    let name = &state.container.name;
    HostFacts {
        undo,
        claims: vec![Claim { resource: resource_of(name), access: Access::BlockAll }],
        names: vec![TargetName::new(NameKind::Container, name)],
        ..HostFacts::default()
    }
}

/// Refuses a container that we could not start again.
///
/// # Errors
/// [`FaultError::Preflight`] when its engine removes it at its end, or when it would die with the undo that started it.
pub(super) fn require_restartable(state: &State) -> Result<(), FaultError> {
    let why = match state {
        State { is_removed_at_end: true, .. } => "it was started with `--rm`",
        // What watches it would run in the control group of the undo, and systemd ends that with the undo.
        State { is_ungrouped: true, .. } => "it runs without a control group of its own (`--cgroups`)",
        _ => return Ok(()),
    };
    let what = format!("bring back the container `{}`: {why}", state.container.name);
    Err(FaultError::Preflight(Failure::new(what).hint("pause it with `server.container_pause`")))
}

fn read(container: &Container, output: &Output) -> State {
    let told = |key: &str| output.told(key).next().unwrap_or_default().trim().to_owned();
    let policy = match told("policy") {
        // Podman says nothing where Docker says `no`.
        policy if policy.is_empty() => "no".to_owned(),
        policy => policy,
    };
    State {
        container: container.clone(),
        status: told("status"),
        started: told("started"),
        policy,
        is_removed_at_end: told("removed_at_end") == "true",
        health: told("health"),
        is_ungrouped: !matches!(told("cgroups").as_str(), "" | "default"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Container {
        Container { engine: "podman".to_owned(), name: "web".to_owned(), id: "ab".repeat(32), missing: None }
    }

    #[test]
    fn what_an_engine_leaves_out_is_its_default() {
        let stdout = b"status=running\nstarted=2026-01-02 03:04:05.6 +0000 UTC\npolicy=\nremoved_at_end=false\nhealth=\n";
        let output = Output { status: 0, stdout: stdout.to_vec(), stderr: String::new() };
        let state = read(&container(), &output);
        assert_eq!(
            (state.policy.as_str(), state.health.as_str(), state.is_removed_at_end),
            ("no", "", false)
        );
        assert_eq!(state.started, "2026-01-02 03:04:05.6 +0000 UTC");
        assert!(require_restartable(&state).is_ok());
        assert!(require_restartable(&State { is_removed_at_end: true, ..state.clone() }).is_err());
        assert!(require_restartable(&State { is_ungrouped: true, ..state }).is_err());
    }
}
