//! Which processes a fault means, and which it must never touch.
//!
//! A process is named by its number and the time it started, so that a later process with the same number is another one.

use std::collections::BTreeSet;

use chaos_core::{Failure, FaultError, Misfit};
use chaos_host::{Limits, Script};
use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use super::room::check_path;
use super::units::Guard;
use crate::discovery::services::{self, Unit, Units};
use crate::never;
use crate::target::ServerTarget;

const LIST: &str = include_str!("processes/list.sh");
/// What stands in the command line of whatever watches a deadline, or runs an undo.
const ROPES: &[&str] = &["/run/chaos_", "/var/lib/chaos_"];
/// How the command line of a shell ends, or of what started one, that waits for our next script.
const WAITING: &str = "/bin/sh -s";
/// What stands in the command line of a `sudo` that was given a password for such a shell.
const WAITING_MARK: &str = "chaos-script";
/// How the names of processes of SSH servers begin.
const SSH_SERVERS: &[&str] = &["sshd", "dropbear"];
/// The most processes that a pattern may be allowed to match.
const MATCHES_MAX: u16 = 100;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// Its number.
    pub pid: u32,
    /// When it started, in ticks since the boot.
    pub start: u64,
    /// The name of its program, as the kernel cuts it: at most 15 bytes.
    pub name: String,
}

impl Handle {
    /// Returns these processes as words for the scripts: number and start of each.
    pub(super) fn words(list: &[Self]) -> String {
        list.iter().map(|handle| format!("{} {}", handle.pid, handle.start)).collect::<Vec<_>>().join(" ")
    }

    /// Returns these processes for people.
    pub(super) fn in_words(list: &[Self]) -> String {
        list.iter().map(|handle| format!("`{}` ({})", handle.name, handle.pid)).collect::<Vec<_>>().join(", ")
    }
}

/// A process as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) handle: Handle,
    pub(super) parent: u32,
    pub(super) state: char,
    pub(super) control_group: String,
    pub(super) command: String,
}

impl Process {
    fn is_of_kernel(&self) -> bool {
        self.handle.pid == 2 || self.parent == 2
    }
}

/// How a person said which processes are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selection {
    /// Those of a service.
    Unit(String),
    /// The one whose number is in a file.
    PidFile(String),
    /// Those whose name or whole command line a pattern matches, and how many these may be.
    Name(String, u16),
}

impl Selection {
    /// Reads the parameters that both faults on processes have.
    pub(super) fn new(
        unit: Option<&str>,
        pid_file: Option<&str>,
        name: Option<&str>,
        max_matches: Option<u16>,
    ) -> Result<Self, Misfit> {
        let only = "set only one of `unit`, `pid_file` and `name`";
        let excludes = |key: &str, other| Misfit::new(format!("`{key}` excludes `{other}`")).at(key);
        match (unit, pid_file, name) {
            (Some(unit), None, None) => {
                bounds_nothing(max_matches)?;
                services::name_of_unit(unit).map(Self::Unit).map_err(|why| misnamed("unit", why))
            }
            (None, Some(file), None) => {
                bounds_nothing(max_matches)?;
                check_path("pid_file", file).map(|()| Self::PidFile(file.to_owned()))
            }
            (None, None, Some(name)) => {
                glob(name).map_err(|why| Misfit::new(why).at("name"))?;
                Ok(Self::Name(name.to_owned(), bound(max_matches)?))
            }
            (None, None, None) => {
                let why = "nothing says which processes are meant";
                Err(Misfit::new(why).hint("set one of `unit`, `pid_file` and `name`"))
            }
            (Some(_), Some(_), _) => Err(excludes("pid_file", "unit").hint(only)),
            (Some(_), None, Some(_)) => Err(excludes("name", "unit").hint(only)),
            (None, Some(_), Some(_)) => Err(excludes("name", "pid_file").hint(only)),
        }
    }
}

/// Refuses a name that no service has.
pub(super) fn misnamed(key: &str, why: &str) -> Misfit {
    Misfit::new(format!("`{key}` must name a service: {why}")).at(key)
}

fn bounds_nothing(max_matches: Option<u16>) -> Result<(), Misfit> {
    let why = "`max_matches` needs `name`: it bounds what that matches";
    max_matches.map_or(Ok(()), |_| Err(Misfit::new(why).at("max_matches")))
}

fn bound(max_matches: Option<u16>) -> Result<u16, Misfit> {
    let Some(max) = max_matches else {
        let hint = "say with `max_matches` how many processes it may match";
        return Err(Misfit::new("`name` needs `max_matches`").at("name").hint(hint));
    };
    if (1..=MATCHES_MAX).contains(&max) {
        return Ok(max);
    }
    Err(Misfit::new(format!("`max_matches` must be 1 to {MATCHES_MAX}")).at("max_matches"))
}

/// Reads a pattern for processes; one that every process matches is a typo.
fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    if pattern.trim_matches(['*', '?']).is_empty() {
        return Err("`name` must not match every process".to_owned());
    }
    let glob = Glob::new(pattern).map_err(|error| format!("`name` must be a pattern: {}", error.kind()))?;
    Ok(glob.compile_matcher())
}

/// The processes and units of a host.
pub(super) struct Processes {
    pub(super) list: Vec<Process>,
    pub(super) units: Units,
    ours: BTreeSet<u32>,
    in_file: Option<String>,
}

impl Processes {
    /// Asks the host.
    pub(super) async fn read(target: &ServerTarget, selection: &Selection) -> Result<Self, FaultError> {
        let named = match selection {
            Selection::Unit(unit) => vec![unit.clone()],
            Selection::PidFile(_) | Selection::Name(..) => Vec::new(),
        };
        let units = match target.facts().has_systemd {
            true => services::units(target.host(), &named).await?,
            false => Units::default(),
        };
        let file = match selection {
            Selection::PidFile(file) => file.as_str(),
            Selection::Unit(_) | Selection::Name(..) => "",
        };
        let script = Script::new(LIST).set("pid_file", file);
        let output = target.host().run(&script, Limits::default()).await?;
        if output.status != 0 {
            return Err(FaultError::Preflight(Failure::new(format!(
                "list the processes: {}",
                output.stderr
            ))));
        }
        Ok(Self::parse(&output.stdout, units))
    }

    fn parse(bytes: &[u8], units: Units) -> Self {
        let mut read = Self { list: Vec::new(), units, ours: BTreeSet::new(), in_file: None };
        // From what runs the question upwards.
        let mut above = Vec::new();
        let text = String::from_utf8_lossy(bytes);
        let mut fields = text.split('\0');
        while let Some(key) = fields.next() {
            let mut next = || fields.next().unwrap_or_default();
            match key {
                "file" => read.in_file = Some(next().to_owned()),
                "ours" => above.extend(next().parse::<u32>().ok()),
                "process" => read.list.extend(process(next(), next(), next())),
                _ => {}
            }
        }
        let below = below(&read.list, connection(&read.list, &above));
        let waits = |process: &&Process| {
            let is_shell = process.command.ends_with(WAITING) || process.command.contains(WAITING_MARK);
            is_shell && below.contains(&process.handle.pid)
        };
        read.ours = read.list.iter().filter(waits).map(|process| process.handle.pid).collect();
        read.ours.extend(above);
        read
    }

    /// Returns the processes that are meant; of a service, all of them.
    pub(super) fn select(&self, selection: &Selection) -> Result<Vec<&Process>, FaultError> {
        match selection {
            Selection::Unit(name) => {
                let unit = self.running_service(name)?;
                Ok(self.of_unit(unit))
            }
            Selection::PidFile(file) => self.of_file(file).map(|process| vec![process]),
            Selection::Name(pattern, max) => self.by_name(pattern, *max),
        }
    }

    /// Returns a service that runs.
    pub(super) fn running_service(&self, name: &str) -> Result<&Unit, FaultError> {
        let refuse = |why: String| {
            Err(FaultError::Preflight(Failure::new(format!("find processes of `{name}`: {why}"))))
        };
        match self.units.get(name) {
            Some(unit) if unit.is_running_service() => Ok(unit),
            Some(unit) if unit.load_state == "not-found" => refuse("there is no such unit".to_owned()),
            Some(unit) => refuse(format!("it is {} ({})", unit.active_state, unit.sub_state)),
            None => refuse("there is no such unit".to_owned()),
        }
    }

    /// Returns the processes of a unit.
    pub(super) fn of_unit(&self, unit: &Unit) -> Vec<&Process> {
        let is_of = |process: &&Process| self.unit_of(process).is_some_and(|other| other.id == unit.id);
        self.list.iter().filter(is_of).collect()
    }

    /// Returns the unit that a process belongs to.
    pub(super) fn unit_of(&self, process: &Process) -> Option<&Unit> {
        self.units.of_control_group(&process.control_group)
    }

    /// Returns how many of the children of these processes are not among them.
    pub(super) fn children_beside(&self, chosen: &[&Process]) -> usize {
        let numbers: BTreeSet<u32> = chosen.iter().map(|process| process.handle.pid).collect();
        let is_child =
            |process: &&Process| numbers.contains(&process.parent) && !numbers.contains(&process.handle.pid);
        self.list.iter().filter(is_child).count()
    }

    /// Refuses a process that no fault may touch.
    pub(super) fn guard(&self, guard: &Guard<'_>, process: &Process, verb: &str) -> Result<(), FaultError> {
        let Handle { pid, name, .. } = &process.handle;
        let refuse = |why: String| {
            Err(FaultError::Preflight(Failure::new(format!("{verb} process {pid} (`{name}`): {why}"))))
        };
        if process.is_of_kernel() {
            return refuse("it is a part of the kernel".to_owned());
        }
        if *pid == 1 {
            return refuse("everything runs below it".to_owned());
        }
        if self.ours.contains(pid) {
            return refuse("we are connected through it".to_owned());
        }
        let is_rope = |word: &str| {
            ROPES.iter().any(|place| word.starts_with(place))
                && (word.ends_with("/watch.sh") || word.ends_with("/undo.sh"))
        };
        if process.command.split(' ').any(is_rope) {
            return refuse("it is the deadline of a fault".to_owned());
        }
        if let Some(why) = never::reason(name) {
            return refuse(format!("it is never touched: {why}"));
        }
        match self.unit_of(process) {
            Some(unit) => match guard.refusal_of_part(unit, name) {
                Some(why) => refuse(format!("its unit `{}` {why}", unit.id)),
                None => Ok(()),
            },
            None if guard.allows(name) => Ok(()),
            None => refuse("it is not matched by any of `resource_filters`".to_owned()),
        }
    }

    fn of_file(&self, file: &str) -> Result<&Process, FaultError> {
        let found = self.in_file.as_deref().unwrap_or_default();
        let refuse = |why: String| {
            Err(FaultError::Preflight(Failure::new(format!("find the process in `{file}`: {why}"))))
        };
        let Ok(pid) = found.parse::<u32>() else {
            return refuse("it does not hold the number of a process".to_owned());
        };
        match self.list.iter().find(|process| process.handle.pid == pid) {
            Some(process) => Ok(process),
            None => refuse(format!("process {pid} does not run")),
        }
    }

    fn by_name(&self, pattern: &str, max: u16) -> Result<Vec<&Process>, FaultError> {
        let glob = glob(pattern).map_err(|why| Misfit::new(why).at("name"))?;
        let is_meant = |process: &&Process| {
            !process.is_of_kernel()
                && process.state != 'Z'
                && (glob.is_match(&process.handle.name) || glob.is_match(&process.command))
        };
        let found: Vec<&Process> = self.list.iter().filter(is_meant).collect();
        let what = format!("choose processes by `{pattern}`");
        if found.is_empty() {
            let hint = "the pattern must match the whole name of the program, or the whole command line";
            return Err(FaultError::Preflight(Failure::new(format!("{what}: it matches none")).hint(hint)));
        }
        if found.len() > usize::from(max) {
            let what = format!("{what}: it matches {}, and `max_matches` is {max}", found.len());
            return Err(FaultError::Preflight(Failure::new(what)));
        }
        Ok(found)
    }
}

/// Returns the process of the SSH server that serves our connection: the nearest one above us. Without one nothing came over SSH.
fn connection(list: &[Process], above: &[u32]) -> Option<u32> {
    let is_server =
        |process: &Process| SSH_SERVERS.iter().any(|server| process.handle.name.starts_with(server));
    let find = |pid: &&u32| list.iter().any(|process| process.handle.pid == **pid && is_server(process));
    above.iter().find(find).copied()
}

/// Returns all processes below one: other shells of our connection wait there for their next script.
fn below(list: &[Process], top: Option<u32>) -> BTreeSet<u32> {
    let mut found: BTreeSet<u32> = top.into_iter().collect();
    let mut before = 0;
    while found.len() > before {
        before = found.len();
        let children = list.iter().filter(|process| found.contains(&process.parent));
        let children: Vec<u32> = children.map(|process| process.handle.pid).collect();
        found.extend(children);
    }
    found
}

/// Reads a line of `/proc/PID/stat`: the name stands in parentheses and may hold anything, these too.
fn process(stat: &str, control_group: &str, command: &str) -> Option<Process> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Process {
        handle: Handle {
            pid: pid.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
            name: name.to_owned(),
        },
        parent: fields.get(1)?.parse().ok()?,
        state: fields.first()?.chars().next()?,
        control_group: control_group.to_owned(),
        command: command.trim_end().to_owned(),
    })
}

#[cfg(test)]
mod tests;
