//! Kills processes of services, and sees to it that the services have them again.
//!
//! No undo brings back a process. So only what a service manager starts again may be killed: the main process of a service,
//! or one of its workers. The undo starts the service where nothing else did.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{
    Access, Claim, Failure, FaultError, FaultSpec, Misfit, PrepareContext, Reversibility, Risk,
};
use chaos_host::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::processes::{Handle, Process, Processes, Selection};
use super::units::{self, Back, Guard, refused};
use crate::discovery::services::Unit;
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

const INJECT: &str = concat!(include_str!("processes/look.sh"), include_str!("process_kill/inject.sh"));
const UNDO: &str = concat!(include_str!("units/back.sh"), include_str!("process_kill/undo.sh"));

/// Kills processes of services: `server.process_kill`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessKill;

/// What a person writes. One of `unit`, `pid_file` and `name` says which processes are meant.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The service whose main process is killed, with or without `.service`. Example: `nginx`.
    pub unit: Option<String>,
    /// A file that holds the number of the process, by its absolute path: `/run/nginx.pid`.
    pub pid_file: Option<String>,
    /// A pattern that must match the whole name of the program (as the kernel cuts it, at most 15 bytes) or the whole command
    /// line; `*` stands for anything: `worker`, `nginx: worker*`. Needs `max_matches`.
    pub name: Option<String>,
    /// How many processes `name` may match, 1 to 100. When it matches more, nothing is done.
    #[schemars(range(min = 1, max = 100))]
    pub max_matches: Option<u16>,
    /// The signal: `KILL`, `TERM`, `INT`. Default: `KILL`.
    pub signal: Signal,
}

/// A signal that ends a process and leaves no file behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// At once.
    #[default]
    Kill,
    /// As a service is usually asked to end.
    Term,
    /// As from a terminal.
    Int,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Term => "TERM",
            Self::Int => "INT",
        }
    }
}

/// One service that loses processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loser {
    /// Its real name.
    pub unit: String,
    /// How many processes it had.
    pub processes: u32,
}

/// Everything needed to kill processes and to have their services run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The signal.
    pub signal: Signal,
    /// The processes.
    pub processes: Vec<Handle>,
    /// The services they belong to.
    pub services: Vec<Loser>,
    /// What else may stop.
    #[serde(default)]
    pub dependants: Vec<String>,
    /// What may be started by the end of a service.
    #[serde(default)]
    pub may_start: Vec<String>,
    /// The services and what depends on them, in the order in which they are started again.
    pub back: Vec<Back>,
}

impl HostFault for ProcessKill {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.process_kill",
        target: "server",
        summary: "Kills processes of services",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const OUTLIVES_REBOOT: bool = false;
    const CLAIMS_ON_HOST: bool = true;

    fn check(&self, params: &Params) -> Result<(), Misfit> {
        selection(params).map(drop)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let selection = selection(&params)?;
        units::require_host(target)?;
        let read = Processes::read(target, &selection).await?;
        let guard = Guard::new(target, &read.units, &cx.filter)?;
        let chosen = choose(&read, &selection)?;
        Ok(vec![step(&read, &guard, &chosen, params.signal)?])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        step.facts()
    }

    fn undo(&self, step: &Step, id: &str) -> Script {
        step.script(UNDO, id)
    }

    fn inject(&self, step: &Step, id: &str) -> Script {
        step.script(INJECT, id)
    }

    fn conflict(&self, _step: &Step, what: &str) -> String {
        format!("unit `{what}`")
    }
}

fn selection(params: &Params) -> Result<Selection, Misfit> {
    let Params { unit, pid_file, name, max_matches, .. } = params;
    Selection::new(unit.as_deref(), pid_file.as_deref(), name.as_deref(), *max_matches)
}

/// Returns the processes that are meant; of a service, the main one.
fn choose<'a>(read: &'a Processes, selection: &Selection) -> Result<Vec<&'a Process>, FaultError> {
    let chosen = read.select(selection)?;
    let Selection::Unit(name) = selection else { return Ok(chosen) };
    let main = read.running_service(name)?.main_pid;
    let main = chosen.into_iter().find(|process| process.handle.pid == main);
    let Some(main) = main else { return Err(refused("kill the main process of", name, "has none")) };
    Ok(vec![main])
}

fn step(
    read: &Processes,
    guard: &Guard<'_>,
    chosen: &[&Process],
    signal: Signal,
) -> Result<Step, FaultError> {
    let mut losers: BTreeMap<&str, &Unit> = BTreeMap::new();
    for process in chosen {
        read.guard(guard, process, "kill")?;
        let unit = healed_by(read, process)?;
        losers.insert(&unit.id, unit);
    }
    let ids: BTreeSet<String> = losers.keys().map(|id| (*id).to_owned()).collect();
    let dependants = read.units.stopped_with(&ids);
    let all: BTreeSet<String> = ids.union(&dependants).cloned().collect();
    for unit in all.iter().filter_map(|id| read.units.get(id)) {
        let why = if ids.contains(&unit.id) { None } else { guard.refusal(unit) };
        if let Some(why) = why.or_else(|| guard.no_way_back(unit)) {
            return Err(refused("kill processes: this may stop", &unit.id, &why));
        }
    }
    let count = |unit: &Unit| u32::try_from(read.of_unit(unit).len()).unwrap_or(u32::MAX);
    Ok(Step {
        signal,
        processes: chosen.iter().map(|process| process.handle.clone()).collect(),
        services: losers
            .values()
            .map(|unit| Loser { unit: unit.id.clone(), processes: count(unit) })
            .collect(),
        dependants: dependants.into_iter().collect(),
        may_start: losers.values().flat_map(|unit| unit.on_end.clone()).collect(),
        back: guard.back(&all),
    })
}

/// Returns the service that has a process again after it was killed.
fn healed_by<'a>(read: &'a Processes, process: &Process) -> Result<&'a Unit, FaultError> {
    let unit = read.unit_of(process);
    if let Some(unit) = unit.filter(|unit| unit.is_running_service()) {
        return Ok(unit);
    }
    let Handle { pid, name, .. } = &process.handle;
    let what =
        format!("kill process {pid} (`{name}`): it belongs to no service, so nothing would start it again");
    let hint = "`server.process_pause` can be undone for any process";
    Err(FaultError::Preflight(Failure::new(what).hint(hint)))
}

impl Step {
    fn script(&self, text: &'static str, _id: &str) -> Script {
        let services = self.services.iter().map(|loser| format!("{} {}", loser.unit, loser.processes));
        Script::new(text)
            .set("signal", self.signal.name())
            .set("processes", Handle::words(&self.processes))
            .set("services", services.collect::<Vec<_>>().join(" "))
            .set("back", Back::words(&self.back))
    }

    fn facts(&self) -> HostFacts {
        let units = || self.services.iter().map(|loser| &loser.unit).chain(&self.dependants);
        let services = units().map(|unit| TargetName::new(NameKind::Service, unit.clone()));
        let names: BTreeSet<&str> = self.processes.iter().map(|handle| handle.name.as_str()).collect();
        let processes = names.into_iter().map(|name| TargetName::new(NameKind::Process, name));
        HostFacts {
            undo: format!(
                "see {} active again with its processes, start it where nothing else did",
                in_words(units())
            ),
            claims: units()
                .map(|unit| Claim { resource: format!("unit {unit}"), access: Access::BlockAll })
                .collect(),
            names: services.chain(processes).collect(),
            mounts: Vec::new(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = in_words(self.services.iter().map(|loser| &loser.unit));
        write!(f, "send {} to {} of {services}", self.signal.name(), Handle::in_words(&self.processes))?;
        if !self.dependants.is_empty() {
            write!(f, "; what depends on it may stop or restart: {}", in_words(self.dependants.iter()))?;
        }
        if !self.may_start.is_empty() {
            write!(f, "; its end may start {}", in_words(self.may_start.iter()))?;
        }
        Ok(())
    }
}

fn in_words<'a>(units: impl Iterator<Item = &'a String>) -> String {
    units.map(|unit| format!("`{unit}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_first_version_still_loads() {
        let text = r#"{"signal": "KILL", "processes": [{"pid": 7, "start": 70, "name": "web"}],
            "services": [{"unit": "web.service", "processes": 2}],
            "back": [{"unit": "web.service", "sub_state": "running", "file_state": ""}]}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(step.to_string(), "send KILL to `web` (7) of `web.service`");
        assert_eq!(Back::words(&step.back), "web.service running -");
    }
}
