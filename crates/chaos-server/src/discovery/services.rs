//! The units of a host with systemd: what runs, what stops with it, what would start it again.

use std::collections::{BTreeMap, BTreeSet};

use chaos_core::{Failure, FaultError};
use chaos_host::{Host, Limits, Script};
use serde::Serialize;

/// What is asked of every unit. An older systemd leaves out what it does not know.
const PROPERTIES: &str = "Id,Names,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,Type,Restart,MainPID,NRestarts,\
     ControlGroup,WatchdogUSec,TimeoutStopUSec,InvocationID,CanStart,CanStop,Transient,\
     NeedDaemonReload,StopWhenUnneeded,FailureAction,SuccessAction,StartLimitAction,Requires,Requisite,BindsTo,Wants,After,RequiredBy,\
     RequisiteOf,BoundBy,ConsistsOf,PropagatesStopTo,PartOf,Triggers,TriggeredBy,UpheldBy,OnFailure,OnSuccess";

/// The kinds of units that a name may end in; a name without one is a service.
const KINDS: &[&str] = &[
    ".service",
    ".socket",
    ".timer",
    ".path",
    ".target",
    ".mount",
    ".automount",
    ".swap",
    ".scope",
    ".slice",
    ".device",
];
/// systemd takes no longer name.
const NAME_MAX: usize = 255;

/// One unit, by the words of systemd.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Unit {
    /// Its real name: `nginx.service`.
    pub id: String,
    /// The real name and all aliases.
    pub names: Vec<String>,
    /// `loaded`, `not-found`, `masked`, …
    pub load_state: String,
    /// `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`.
    pub active_state: String,
    /// What active means for its kind: `running`, `listening`, `exited`.
    pub sub_state: String,
    /// `enabled`, `disabled`, `static`, `generated`, `transient`, …
    pub unit_file_state: String,
    /// Where it is written down.
    pub fragment_path: String,
    /// How a service says that it has started: `simple`, `notify`, `oneshot`, …
    pub service_type: String,
    /// When a service starts again by itself.
    pub restart: String,
    /// The main process of a service; 0 when there is none.
    pub main_pid: u32,
    /// How often it started again by itself.
    pub restarts: u64,
    /// The control group that its processes are in, when it has any.
    pub control_group: String,
    /// After how long without a sign of life systemd kills it; empty when it does not.
    pub watchdog: String,
    /// How long it may take to stop, as systemd prints it.
    pub stop_timeout: String,
    /// This start of it, which differs from every other one.
    pub invocation: String,
    /// Whether a person may start it.
    pub is_startable: bool,
    /// Whether a person may stop it.
    pub is_stoppable: bool,
    /// Whether it is written down nowhere, and gone when it stops.
    pub is_transient: bool,
    /// Whether its file was changed since it was loaded.
    pub needs_reload: bool,
    /// Whether it stops when nothing needs it any more.
    pub stops_when_unneeded: bool,
    /// What happens to the machine when it fails or is started too often; empty when nothing.
    pub drastic: String,
    /// What it needs: `Requires=`, `Requisite=`, `BindsTo=`, `Wants=`.
    pub needs: Vec<String>,
    /// What is started before it.
    pub after: Vec<String>,
    /// What stops with it.
    pub stops: Vec<String>,
    /// What stops when it stops by itself.
    pub bound_by: Vec<String>,
    /// What starts it: sockets, timers, paths.
    pub triggered_by: Vec<String>,
    /// What keeps it running.
    pub upheld_by: Vec<String>,
    /// What is started when it ends or fails.
    pub on_end: Vec<String>,
}

impl Unit {
    /// Returns what kind it is: `service`, `socket`.
    pub fn kind(&self) -> &str {
        self.id.rsplit_once('.').map_or("", |(_, kind)| kind)
    }

    /// Returns all its names, each with and without its kind.
    pub fn all_names(&self) -> impl Iterator<Item = &str> {
        let without_kind = |name| str::rsplit_once(name, '.').map_or(name, |(name, _)| name);
        self.names.iter().flat_map(move |name| [name.as_str(), without_kind(name)])
    }

    /// Returns whether it is active, or just about to be.
    pub fn is_active(&self) -> bool {
        matches!(self.active_state.as_str(), "active" | "reloading" | "activating")
    }

    /// Returns whether it is a service with a process that runs.
    pub fn is_running_service(&self) -> bool {
        self.kind() == "service" && self.active_state == "active" && self.sub_state == "running"
    }
}

/// The units of a host, by their real names.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Units {
    by_id: BTreeMap<String, Unit>,
    #[serde(skip)]
    aliases: BTreeMap<String, String>,
}

impl Units {
    /// Returns a unit by its real name or an alias.
    pub fn get(&self, name: &str) -> Option<&Unit> {
        let id = self.aliases.get(name).map_or(name, String::as_str);
        self.by_id.get(id)
    }

    /// Returns all units in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.by_id.values()
    }

    /// Returns the unit that a control group belongs to: `/system.slice/nginx.service/worker` is `nginx.service`.
    pub fn of_control_group(&self, path: &str) -> Option<&Unit> {
        let name = path.split('/').find(|part| !part.is_empty() && !part.ends_with(".slice"))?;
        self.get(name)
    }

    /// Returns every unit that is active and stops when `ids` are stopped, without these themselves.
    pub fn stopped_with(&self, ids: &BTreeSet<String>) -> BTreeSet<String> {
        let mut reached = self.reach(ids.clone());
        reached.retain(|id| !ids.contains(id) && self.by_id.get(id).is_some_and(Unit::is_active));
        reached
    }

    /// Follows what stops with what, over units that do not run too, and to what nothing needs any more then.
    fn reach(&self, mut reached: BTreeSet<String>) -> BTreeSet<String> {
        let mut open: Vec<String> = reached.iter().cloned().collect();
        while let Some(id) = open.pop() {
            let Some(unit) = self.get(&id) else { continue };
            let unneeded =
                unit.needs.iter().filter(|name| self.get(name).is_some_and(|u| u.stops_when_unneeded));
            for name in unit.stops.iter().chain(unneeded) {
                let id = self.get(name).map_or(name, |unit| &unit.id);
                if reached.insert(id.clone()) {
                    open.push(id.clone());
                }
            }
        }
        reached
    }

    /// Returns `ids` so that each stands behind those that are started before it.
    pub fn in_start_order<'a>(&self, ids: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        let mut left: BTreeSet<String> = ids.into_iter().cloned().collect();
        let mut ordered = Vec::with_capacity(left.len());
        while let Some(next) = self.first_of(&left) {
            left.remove(&next);
            ordered.push(next);
        }
        ordered
    }

    /// Returns one that waits for none of the others; in a circle, which systemd would refuse, any.
    fn first_of(&self, left: &BTreeSet<String>) -> Option<String> {
        let waits = |id: &String| {
            let after = self.get(id).map_or(&[][..], |unit| &unit.after);
            after.iter().any(|name| name != id && left.contains(name))
        };
        left.iter().find(|id| !waits(id)).or_else(|| left.first()).cloned()
    }
}

/// Completes a name that a person wrote: `nginx` is `nginx.service`.
///
/// # Errors
/// [`FaultError::Params`] when no unit can have this name.
pub fn unit_name(written: &str) -> Result<String, FaultError> {
    name_of_unit(written).map_err(|why| {
        let what = format!("take `{written}` as the name of a service");
        FaultError::Params(Failure::new(what).source(why))
    })
}

/// As [`unit_name`], but says only why no unit can have this name.
pub(crate) fn name_of_unit(written: &str) -> Result<String, &'static str> {
    let is_known = KINDS.iter().any(|kind| written.ends_with(kind));
    let name = if is_known { written.to_owned() } else { format!("{written}.service") };
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if !name.chars().all(is_allowed) || name.starts_with('.') || written.is_empty() {
        return Err("such a name holds letters, digits and `:-_.\\@` only");
    }
    if name.len() > NAME_MAX {
        return Err("it is too long");
    }
    if name.contains("@.") {
        return Err("it is a template; name one of its instances, as in `getty@tty1`");
    }
    Ok(name)
}

/// Reads every unit that is loaded, and those in `named`, in one question.
///
/// # Errors
/// When the host cannot be asked, or has no systemd.
pub async fn units(host: &Host, named: &[String]) -> Result<Units, FaultError> {
    let script = Script::new(include_str!("services.sh")).set("properties", PROPERTIES).args(named);
    let output = host.must("read the units of systemd", &script, Limits::default()).await?;
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

fn parse(text: &str) -> Units {
    let mut units = Units::default();
    for block in text.split("\n\n") {
        let mut unit = Unit::default();
        let pairs = block.lines().filter_map(|line| line.split_once('='));
        pairs.for_each(|(key, value)| apply(&mut unit, key, value));
        if unit.id.is_empty() {
            continue;
        }
        for name in &unit.names {
            units.aliases.insert(name.clone(), unit.id.clone());
        }
        units.by_id.insert(unit.id.clone(), unit);
    }
    units
}

fn apply(unit: &mut Unit, key: &str, value: &str) {
    let text = value.to_owned();
    match key {
        "Id" => unit.id = text,
        "Names" => unit.names = words(value),
        "LoadState" => unit.load_state = text,
        "ActiveState" => unit.active_state = text,
        "SubState" => unit.sub_state = text,
        "UnitFileState" => unit.unit_file_state = text,
        "FragmentPath" => unit.fragment_path = text,
        "Type" => unit.service_type = text,
        "Restart" => unit.restart = text,
        "MainPID" => unit.main_pid = value.parse().unwrap_or(0),
        "NRestarts" => unit.restarts = value.parse().unwrap_or(0),
        "ControlGroup" => unit.control_group = text,
        "WatchdogUSec" if !matches!(value, "0" | "infinity") => unit.watchdog = text,
        "TimeoutStopUSec" => unit.stop_timeout = text,
        "InvocationID" => unit.invocation = text,
        "CanStart" => unit.is_startable = value == "yes",
        "CanStop" => unit.is_stoppable = value == "yes",
        "FailureAction" | "SuccessAction" | "StartLimitAction" if value != "none" => {
            unit.drastic = format!("{key}={value}")
        }
        "Transient" => unit.is_transient = value == "yes",
        "NeedDaemonReload" => unit.needs_reload = value == "yes",
        "StopWhenUnneeded" => unit.stops_when_unneeded = value == "yes",
        "Requires" | "Requisite" | "BindsTo" | "Wants" => unit.needs.extend(words(value)),
        "After" => unit.after = words(value),
        "RequiredBy" | "RequisiteOf" | "ConsistsOf" | "PropagatesStopTo" => unit.stops.extend(words(value)),
        "BoundBy" => {
            unit.stops.extend(words(value));
            unit.bound_by = words(value);
        }
        "TriggeredBy" => unit.triggered_by = words(value),
        "UpheldBy" => unit.upheld_by = words(value),
        "OnFailure" | "OnSuccess" => unit.on_end.extend(words(value)),
        _ => {}
    }
}

/// Splits a list of names. systemctl quotes a name with a backslash in it, and writes the backslash twice.
fn words(value: &str) -> Vec<String> {
    value.split(' ').filter(|word| !word.is_empty()).map(unquoted).collect()
}

fn unquoted(word: &str) -> String {
    match word.strip_prefix('"').and_then(|word| word.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\\", "\\"),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests;
