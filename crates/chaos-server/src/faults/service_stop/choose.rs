//! Which services are stopped, and what stops with them.

use std::collections::BTreeSet;

use chaos_core::{Failure, FaultError, PrepareContext};
use chaos_host::{Limits, Script};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Params, Step};
use crate::discovery::services::{self, Unit, Units};
use crate::faults::units::{Guard, refused};
use crate::target::ServerTarget;

const CHECK: &str = include_str!("check.sh");

/// Reads the units of the host and makes the one step of it.
pub(super) async fn step(
    cx: &PrepareContext,
    target: &ServerTarget,
    params: &Params,
) -> Result<Step, FaultError> {
    let named = params.services.iter().map(|name| services::unit_name(name));
    let named = named.collect::<Result<Vec<_>, _>>()?;
    let units = services::units(target.host(), &named).await?;
    let guard = Guard::new(target, &units, &cx.filter)?;
    let chosen = if named.is_empty() {
        choose(cx, target, &guard, &units, params)?
    } else {
        named.iter().map(|name| by_name(&guard, &units, name)).collect::<Result<_, _>>()?
    };
    let mut step = complete(&guard, &units, chosen)?;
    step.folders = check(target, &step).await?;
    Ok(step)
}

/// Finds one service that a person named.
fn by_name(guard: &Guard<'_>, units: &Units, name: &str) -> Result<String, FaultError> {
    let Some(unit) = units.get(name).filter(|unit| unit.load_state != "not-found") else {
        let hint = "`systemctl list-units --type=service` on the host lists what is there";
        return Err(FaultError::Preflight(
            Failure::new(format!("stop `{name}`: there is no such unit")).hint(hint),
        ));
    };
    if let Some(why) = guard.refusal(unit) {
        return Err(refused("stop", name, &why));
    }
    if unit.load_state != "loaded" {
        return Err(refused("stop", name, &format!("is {}", unit.load_state)));
    }
    if unit.active_state != "active" {
        return Err(refused("stop", name, &format!("is not running but {}", unit.active_state)));
    }
    Ok(unit.id.clone())
}

/// Chooses among what runs, what may be touched, and what takes nothing with it that may not.
fn choose(
    cx: &PrepareContext,
    target: &ServerTarget,
    guard: &Guard<'_>,
    units: &Units,
    params: &Params,
) -> Result<BTreeSet<String>, FaultError> {
    if !target.discovery().enabled {
        let hint = "name `services`, or set `enabled: true` below `discovery`";
        return Err(FaultError::Params(Failure::new("choose services without discovery").hint(hint)));
    }
    let may_be = |unit: &&Unit| {
        unit.is_running_service()
            && guard.refusal(unit).is_none()
            && complete(guard, units, BTreeSet::from([unit.id.clone()])).is_ok()
    };
    let mut candidates: Vec<&Unit> = units.iter().filter(may_be).collect();
    if candidates.is_empty() {
        let what = "find a running service that may be stopped";
        let hint = "see `resource_filters`, `exclude_services`, and what stops with each service";
        return Err(FaultError::Preflight(Failure::new(what).hint(hint)));
    }
    candidates.shuffle(&mut StdRng::seed_from_u64(cx.seed));
    let most = usize::from(params.max_services.unwrap_or(1));
    // One that stops with another one is not a second choice: it would say more than happens.
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    for unit in candidates {
        let reached = units.stopped_with(&BTreeSet::from([unit.id.clone()]));
        let is_apart = !units.stopped_with(&chosen).contains(&unit.id) && reached.is_disjoint(&chosen);
        if chosen.len() < most && is_apart {
            chosen.insert(unit.id.clone());
        }
    }
    Ok(chosen)
}

/// Adds to the chosen services what stops with them and what would start them again.
fn complete(guard: &Guard<'_>, units: &Units, chosen: BTreeSet<String>) -> Result<Step, FaultError> {
    let services: Vec<&Unit> = chosen.iter().filter_map(|id| units.get(id)).collect();
    let triggers = triggers(units, &services);
    let held: BTreeSet<String> = chosen.iter().chain(&triggers).cloned().collect();
    let dependants = units.stopped_with(&held);
    let all: BTreeSet<String> = held.iter().chain(&dependants).cloned().collect();
    for unit in all.iter().filter_map(|id| units.get(id)) {
        let why = if chosen.contains(&unit.id) { None } else { guard.refusal(unit) };
        if let Some(why) = why.or_else(|| guard.no_way_back(unit)) {
            return Err(stands_in_the_way(&chosen, &unit.id, &why));
        }
    }
    Ok(Step {
        aliases: aliases(&services),
        remarks: remarks(units, &services),
        services: chosen.iter().cloned().collect(),
        triggers: triggers.into_iter().collect(),
        dependants: dependants.into_iter().collect(),
        back: guard.back(&all),
        folders: Vec::new(),
    })
}

fn stands_in_the_way(chosen: &BTreeSet<String>, unit: &str, why: &str) -> FaultError {
    if chosen.contains(unit) {
        return refused("stop", unit, why);
    }
    let names: Vec<_> = chosen.iter().map(|id| format!("`{id}`")).collect();
    let what = format!("stop {}: `{unit}` stops with it, and it {why}", names.join(", "));
    FaultError::Preflight(Failure::new(what))
}

/// Returns the sockets and paths that run and would start a service again.
fn triggers(units: &Units, services: &[&Unit]) -> BTreeSet<String> {
    let all = services.iter().flat_map(|unit| &unit.triggered_by).filter_map(|name| units.get(name));
    let running = all.filter(|unit| matches!(unit.kind(), "socket" | "path") && unit.is_active());
    running.map(|unit| unit.id.clone()).collect()
}

fn aliases(services: &[&Unit]) -> Vec<String> {
    let names = services.iter().flat_map(|unit| unit.names.iter().filter(|name| **name != unit.id));
    names.cloned().collect()
}

/// Says what else there is to know about the services that were chosen.
fn remarks(units: &Units, services: &[&Unit]) -> Vec<String> {
    let mut remarks = Vec::new();
    for unit in services {
        let timers =
            unit.triggered_by.iter().filter_map(|name| units.get(name)).filter(|u| u.kind() == "timer");
        for other in timers.map(|timer| &timer.id).chain(&unit.upheld_by) {
            remarks.push(format!("`{other}` will try in vain to start `{}`", unit.id));
        }
        for other in &unit.on_end {
            remarks.push(format!("`{other}` may be started by the end of `{}`", unit.id));
        }
    }
    remarks
}

/// Looks at what the scripts will need; returns the units that have a folder for drop-ins already.
async fn check(target: &ServerTarget, step: &Step) -> Result<Vec<String>, FaultError> {
    let held = step.services.iter().chain(&step.triggers);
    let script = Script::new(CHECK).args(held);
    let output = target.host().run(&script, Limits::default()).await?;
    if output.status != 0 {
        let what = format!("keep {} stopped: {}", step.services_in_words(), output.stderr);
        return Err(FaultError::Preflight(Failure::new(what)));
    }
    Ok(output.told("folder").map(str::to_owned).collect())
}
