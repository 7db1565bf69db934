//! What a host is up to before and after its reboot.

use std::collections::BTreeSet;

use chaos_core::{Failure, FaultError, PrepareContext};
use chaos_host::{Limits, Script};

use super::Step;
use crate::discovery::services::{self, Unit};
use crate::faults::units::{Back, Guard};
use crate::target::ServerTarget;

const LOOK: &str = include_str!("look.sh");
const STATE: &str = concat!(include_str!("../units/back.sh"), include_str!("state.sh"));

/// What must be there again, and who is there.
pub(super) struct Before {
    pub(super) back: Vec<Back>,
    pub(super) users: Vec<String>,
}

/// Looks at a host that is to be rebooted, and refuses where it would not come back as it is.
pub(super) async fn before(
    cx: &PrepareContext,
    target: &ServerTarget,
    force: bool,
) -> Result<Before, FaultError> {
    let host = &target.facts().hostname;
    let refuse = |why: &str, hint: &str| {
        Err(FaultError::Preflight(Failure::new(format!("reboot `{host}`: {why}")).hint(hint)))
    };
    if target.facts().peer.is_none() {
        return refuse("it is the machine that we run on", "run `chaos` on another machine");
    }
    let output = target.host().must("look at the host", &Script::new(LOOK), Limits::default()).await?;
    let fields = output.fields();
    let said = |key: &str| -> Vec<String> {
        let pairs = fields.chunks_exact(2).filter(|pair| pair[0].as_deref() == Some(key));
        pairs.filter_map(|pair| pair[1].clone()).collect()
    };
    if !said("scheduled").is_empty() {
        return refuse("somebody else shuts it down already", "see `shutdown --show` there");
    }
    let running = said("running").concat();
    if !matches!(running.as_str(), "running" | "degraded") {
        return refuse(
            &format!("it is {running}"),
            "`systemctl is-system-running` must say `running` or `degraded`",
        );
    }
    if let Some(inhibitor) = said("inhibitor").first().filter(|_| !force) {
        return refuse(
            &format!("a program asks it not to shut down: {inhibitor}"),
            "wait for it, or set `force: true`",
        );
    }
    Ok(Before { back: units(cx, target).await?, users: said("user") })
}

/// Returns the units that must be active again.
async fn units(cx: &PrepareContext, target: &ServerTarget) -> Result<Vec<Back>, FaultError> {
    let units = services::units(target.host(), &[]).await?;
    let lasting: Vec<&Unit> = units.iter().filter(|unit| is_lasting(unit)).collect();
    for unit in &lasting {
        if unit.is_transient || unit.needs_reload {
            let why = if unit.is_transient {
                "is transient, and gone after a reboot"
            } else {
                "was changed on disk since it was loaded"
            };
            let what = format!("reboot `{}`: `{}` {why}", target.facts().hostname, unit.id);
            return Err(FaultError::Preflight(
                Failure::new(what).hint("nothing could bring it back as it is"),
            ));
        }
    }
    let guard = Guard::new(target, &units, &cx.filter)?;
    let ids: BTreeSet<String> = lasting.iter().map(|unit| unit.id.clone()).collect();
    Ok(guard.back(&ids))
}

/// Whether a unit is active and is to be so after a reboot too: not the sessions of users, and not what serves one connection.
fn is_lasting(unit: &Unit) -> bool {
    let is_session = unit.id.starts_with("user@") || unit.id.starts_with("user-runtime-dir@");
    let serves_one = unit.id.contains('@') && unit.triggered_by.iter().any(|name| name.ends_with(".socket"));
    let runs = unit.is_running_service() && unit.service_type != "oneshot";
    let waits = matches!(unit.kind(), "socket" | "timer" | "path") && unit.active_state == "active";
    (runs || waits) && !is_session && !serves_one
}

/// What a host is up to.
pub(super) struct State {
    pub(super) boot: String,
    pub(super) running: String,
    pub(super) missing: Vec<String>,
}

impl State {
    /// Asks the host.
    pub(super) async fn read(target: &ServerTarget, step: &Step, limits: Limits) -> Result<Self, FaultError> {
        let script = Script::new(STATE).set("back", Back::words(&step.back));
        let output = target.host().must("see whether the host is back", &script, limits).await?;
        let first = |key| output.told(key).next().unwrap_or_default().to_owned();
        let missing = output.told("missing").map(str::to_owned).collect();
        Ok(Self { boot: first("boot"), running: first("running"), missing })
    }

    /// Whether it starts or stops just now.
    pub(super) fn is_in_motion(&self) -> bool {
        !matches!(self.running.as_str(), "running" | "degraded" | "maintenance")
    }
}
