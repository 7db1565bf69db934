//! What is there on a host, beside its units and mounts: kernel modules, users, listening ports, control groups, containers.

mod ports;

use std::collections::BTreeMap;

use chaos_host::{Host, HostError, Limits, Output, Script};
use serde::Serialize;

pub use ports::Port;

/// Modules that faults use, with the word of the kernel's configuration that builds each in.
const MODULES: [(&str, &str); 7] = [
    ("sch_netem", "CONFIG_NET_SCH_NETEM"),
    ("sch_tbf", "CONFIG_NET_SCH_TBF"),
    ("sch_prio", "CONFIG_NET_SCH_PRIO"),
    ("ifb", "CONFIG_IFB"),
    ("nf_tables", "CONFIG_NF_TABLES"),
    ("ip_tables", "CONFIG_IP_NF_IPTABLES"),
    ("loop", "CONFIG_BLK_DEV_LOOP"),
];
/// What runs containers.
const ENGINES: &str = "docker podman nerdctl";
/// A host with thousands of sockets and users says less.
const LIMITS: Limits = Limits { time: std::time::Duration::from_secs(60), output: 4 << 20 };

/// What is there on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// The name of its first process: `systemd`.
    pub init: String,
    /// The version of systemd, where it is there.
    pub systemd: String,
    /// The number of processors.
    pub cpus: u64,
    /// All memory, in KiB.
    pub memory_kib: u64,
    /// For how many seconds it has been up.
    pub uptime_seconds: u64,
    /// Kernel modules that faults use, and whether each is `loaded`, `built in`, `can be loaded` or `not found`.
    pub modules: BTreeMap<String, String>,
    /// Its control groups.
    pub cgroup: Cgroup,
    /// Users who can log in.
    pub users: Vec<User>,
    /// Sockets that listen.
    pub ports: Vec<Port>,
    /// Containers, running or not.
    pub containers: Vec<Container>,
    /// What of which part could not be read, and why.
    #[serde(skip)]
    pub gaps: Vec<(String, String)>,
}

/// The control groups of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cgroup {
    /// `v1`, `v2` or `hybrid`.
    pub version: String,
    /// The controllers that are in use.
    pub controllers: Vec<String>,
}

/// A user who can log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// The number.
    pub uid: u32,
    /// The home.
    pub home: String,
    /// The login shell.
    pub shell: String,
}

/// A container on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Container {
    /// The program that runs it.
    pub engine: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it was made from.
    pub image: String,
    /// What its engine says of it: `Up 3 days`.
    pub status: String,
}

/// Looks around on a host.
///
/// # Errors
/// When it cannot be asked. What cannot be read there is one of the gaps.
pub async fn survey(host: &Host) -> Result<Survey, HostError> {
    let modules: Vec<_> = MODULES.iter().map(|(name, option)| format!("{name}:{option}")).collect();
    let script =
        Script::new(include_str!("survey.sh")).set("modules", modules.join(" ")).set("engines", ENGINES);
    Ok(read(&host.must("look around on the host", &script, LIMITS).await?))
}

fn read(output: &Output) -> Survey {
    let fields: Vec<String> =
        output.fields().into_iter().map(|field| field.unwrap_or_else(unreadable)).collect();
    let mut survey = Survey::default();
    let mut sockets = ports::Sockets::default();
    let mut rest = fields.as_slice();
    while let [key, value, after @ ..] = rest {
        rest = match (key.as_str(), after) {
            ("module", [state, after @ ..]) => {
                survey.modules.insert(value.clone(), state.clone());
                after
            }
            ("cgroup", [controllers, after @ ..]) => {
                let controllers = controllers.split_whitespace().map(str::to_owned).collect();
                survey.cgroup = Cgroup { version: value.clone(), controllers };
                after
            }
            ("containers", [list, after @ ..]) => {
                survey.containers.extend(list.lines().filter_map(|line| container(value, line)));
                after
            }
            ("why", [why, after @ ..]) => {
                survey.gaps.push((value.clone(), why.clone()));
                after
            }
            ("owner", [pid, after @ ..]) => {
                sockets.owned(value, pid);
                after
            }
            ("process", [name, cgroup, after @ ..]) => {
                sockets.process(value, name, cgroup);
                after
            }
            (key, after) => {
                single(&mut survey, &mut sockets, key, value);
                after
            }
        };
    }
    survey.ports = sockets.ports();
    survey
}

fn single(survey: &mut Survey, sockets: &mut ports::Sockets, key: &str, value: &str) {
    let number = || value.trim().parse().unwrap_or(0);
    match key {
        "init" => survey.init = value.trim().to_owned(),
        "systemd" => survey.systemd = value.trim().to_owned(),
        "cpus" => survey.cpus = number(),
        "memory_kib" => survey.memory_kib = number(),
        "uptime" => survey.uptime_seconds = number(),
        "users" => survey.users = value.lines().filter_map(user).collect(),
        "sockets" => sockets.listening(value),
        _ => {}
    }
}

fn unreadable() -> String {
    "\u{fffd}".to_owned()
}

/// Reads a line of `/etc/passwd`. Who has no shell does not log in.
fn user(line: &str) -> Option<User> {
    let parts: Vec<_> = line.split(':').collect();
    let [name, _, uid, _, _, home, shell] = parts.as_slice() else { return None };
    let is_shell = !["nologin", "false", "sync", "halt", "shutdown"].iter().any(|no| shell.ends_with(no));
    is_shell.then(|| User {
        name: (*name).to_owned(),
        uid: uid.parse().unwrap_or(u32::MAX),
        home: (*home).to_owned(),
        shell: (*shell).to_owned(),
    })
}

fn container(engine: &str, line: &str) -> Option<Container> {
    let parts: Vec<_> = line.split('\t').collect();
    let [id, name, image, status] = parts.as_slice() else { return None };
    let [id, name, image, status] = [id, name, image, status].map(|text| (*text).to_owned());
    Some(Container { engine: engine.to_owned(), id, name, image, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(fields: &[&str]) -> Output {
        let stdout = fields.iter().flat_map(|field| [field.as_bytes(), b"\0"].concat()).collect();
        Output { status: 0, stdout, stderr: String::new() }
    }

    #[test]
    fn what_a_host_says_is_read_field_by_field() {
        let survey = read(&output(&[
            "init",
            "systemd\n",
            "module",
            "sch_netem",
            "not found",
            "cgroup",
            "hybrid",
            "cpu memory \n",
            "users",
            "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\nodd line\n",
            "containers",
            "podman",
            "abc\tshop-1\tbusybox:1\tUp 3 days\nhalf a line",
            "why",
            "ports",
            "nobody may look",
        ]));
        assert_eq!(survey.init, "systemd");
        assert_eq!(survey.modules["sch_netem"], "not found");
        assert_eq!(survey.cgroup.controllers, ["cpu", "memory"]);
        assert_eq!(survey.users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["root"]);
        assert_eq!(survey.containers.len(), 1);
        assert_eq!(survey.containers[0].status, "Up 3 days");
        assert_eq!(survey.gaps, [("ports".to_owned(), "nobody may look".to_owned())]);
    }
}
