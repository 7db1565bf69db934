//! Pauses processes with SIGSTOP and lets them go on.
//!
//! Of a service every process is paused, those too that it starts while we are at it: with the main one alone its workers
//! would answer on. A process that was stopped before belongs to somebody else and stays stopped.

use std::collections::BTreeSet;
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

const INJECT: &str = concat!(
    include_str!("processes/look.sh"),
    include_str!("process_pause/members.sh"),
    include_str!("process_pause/inject.sh")
);
const UNDO: &str = concat!(
    include_str!("processes/look.sh"),
    include_str!("process_pause/members.sh"),
    include_str!("units/back.sh"),
    include_str!("process_pause/undo.sh")
);
const MEASURE: &str = concat!(
    include_str!("processes/look.sh"),
    include_str!("process_pause/members.sh"),
    include_str!("process_pause/measure.sh")
);

/// Pauses processes: `server.process_pause`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessPause;

/// What a person writes. One of `unit`, `pid_file` and `name` says which processes are meant.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The service of which all processes are paused, with or without `.service`. Example: `nginx`.
    pub unit: Option<String>,
    /// A file that holds the number of the process, by its absolute path: `/run/nginx.pid`.
    pub pid_file: Option<String>,
    /// A pattern that must match the whole name of the program (as the kernel cuts it, at most 15 bytes) or the whole command
    /// line; `*` stands for anything: `worker`, `nginx: worker*`. Needs `max_matches`.
    pub name: Option<String>,
    /// How many processes `name` may match, 1 to 100. When it matches more, nothing is done.
    #[schemars(range(min = 1, max = 100))]
    pub max_matches: Option<u16>,
}

/// Everything needed to pause processes and to let them go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The processes that ran when the plan was made.
    pub processes: Vec<Handle>,
    /// The control group whose processes are paused, all of them; absent where single processes are.
    #[serde(default)]
    pub control_group: Option<String>,
    /// Processes that were stopped before, by somebody else.
    #[serde(default)]
    pub stopped_before: Vec<Handle>,
    /// How many children of the processes run on.
    #[serde(default)]
    pub children_beside: usize,
    /// What would end the pause early.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// The services that the processes belong to.
    #[serde(default)]
    pub back: Vec<Back>,
}

impl HostFault for ProcessPause {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.process_pause",
        target: "server",
        summary: "Pauses processes",
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
        if matches!(selection, Selection::Unit(_)) || target.container().is_some() {
            units::require_host(target)?;
        }
        let read = Processes::read(target, &selection).await?;
        let guard = Guard::new(target, &read.units, &cx.filter)?;
        let chosen = read.select(&selection)?;
        for process in &chosen {
            read.guard(&guard, process, "pause")?;
        }
        Ok(vec![step(&read, &guard, &selection, &chosen)?])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        step.facts()
    }

    fn undo(&self, step: &Step, _id: &str) -> Script {
        step.script(UNDO)
    }

    fn inject(&self, step: &Step, _id: &str) -> Script {
        step.script(INJECT)
    }

    fn measure(&self, step: &Step, _id: &str) -> Option<Script> {
        Some(step.script(MEASURE))
    }

    fn conflict(&self, _step: &Step, what: &str) -> String {
        format!("unit `{what}`")
    }
}

fn selection(params: &Params) -> Result<Selection, Misfit> {
    let Params { unit, pid_file, name, max_matches } = params;
    Selection::new(unit.as_deref(), pid_file.as_deref(), name.as_deref(), *max_matches)
}

fn step(
    read: &Processes,
    guard: &Guard<'_>,
    selection: &Selection,
    chosen: &[&Process],
) -> Result<Step, FaultError> {
    let is_stopped = |process: &&&Process| matches!(process.state, 'T' | 't');
    let handles = |list: Vec<&&Process>| list.into_iter().map(|process| process.handle.clone()).collect();
    let running: Vec<&&Process> = chosen.iter().filter(|process| !is_stopped(process)).collect();
    let stopped_before: Vec<Handle> = handles(chosen.iter().filter(is_stopped).collect());
    if running.is_empty() {
        let what = format!("pause {}: stopped already by somebody else", Handle::in_words(&stopped_before));
        return Err(FaultError::Preflight(Failure::new(what)));
    }
    let services: Vec<&Unit> = services(read, &running);
    for unit in &services {
        // A paused service may be ended by others, and then it must be possible to start it again.
        if let Some(why) = guard.no_way_back(unit) {
            return Err(refused("pause processes of", &unit.id, &why));
        }
    }
    let control_group = match selection {
        Selection::Unit(name) => Some(read.running_service(name)?.control_group.clone()),
        Selection::PidFile(_) | Selection::Name(..) => None,
    };
    let ids = services.iter().map(|unit| unit.id.clone()).collect();
    Ok(Step {
        children_beside: read.children_beside(chosen),
        processes: handles(running),
        control_group,
        stopped_before,
        remarks: services.iter().filter_map(|unit| watchdog(unit)).collect(),
        back: guard.back(&ids),
    })
}

/// Returns the services that run and that these processes belong to.
fn services<'a>(read: &'a Processes, chosen: &[&&Process]) -> Vec<&'a Unit> {
    let units =
        chosen.iter().filter_map(|process| read.unit_of(process)).filter(|unit| unit.is_running_service());
    let ids: BTreeSet<&str> = units.map(|unit| unit.id.as_str()).collect();
    ids.into_iter().filter_map(|id| read.units.get(id)).collect()
}

fn watchdog(unit: &Unit) -> Option<String> {
    let after = Some(&unit.watchdog).filter(|after| !after.is_empty())?;
    Some(format!("systemd kills `{}` after {after} without a sign of life (its WatchdogSec)", unit.id))
}

impl Step {
    fn script(&self, text: &'static str) -> Script {
        let before = self.stopped_before.iter().map(|handle| format!("{}:{}", handle.pid, handle.start));
        Script::new(text)
            .set("processes", Handle::words(&self.processes))
            .set("control_group", self.control_group.as_deref().unwrap_or_default())
            .set("before", before.collect::<Vec<_>>().join(" "))
            .set("back", Back::words(&self.back))
    }

    fn facts(&self) -> HostFacts {
        let units = || self.back.iter().map(|back| &back.unit);
        let services = units().map(|unit| TargetName::new(NameKind::Service, unit.clone()));
        let names: BTreeSet<&str> = self.processes.iter().map(|handle| handle.name.as_str()).collect();
        let processes = names.into_iter().map(|name| TargetName::new(NameKind::Process, name));
        let pids = self.processes.iter().map(|handle| format!("process {}", handle.pid));
        let resources = units().map(|unit| format!("unit {unit}")).chain(pids);
        HostFacts {
            undo: "let the paused processes go on and see that they do".to_owned(),
            claims: resources.map(|resource| Claim { resource, access: Access::BlockAll }).collect(),
            names: services.chain(processes).collect(),
            mounts: Vec::new(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.control_group, self.back.first()) {
            (Some(_), Some(service)) => {
                write!(
                    f,
                    "pause all processes of `{}`: {}",
                    service.unit,
                    Handle::in_words(&self.processes)
                )?;
            }
            _ => write!(f, "pause {}", Handle::in_words(&self.processes))?,
        }
        if self.children_beside > 0 {
            write!(f, "; {} of their children run on", self.children_beside)?;
        }
        if !self.stopped_before.is_empty() {
            write!(f, "; stopped before and left alone: {}", Handle::in_words(&self.stopped_before))?;
        }
        self.remarks.iter().try_for_each(|remark| write!(f, "; {remark}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_first_version_still_loads() {
        let text = r#"{"processes": [{"pid": 7, "start": 70, "name": "web"}]}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(step.to_string(), "pause `web` (7)");
    }
}
