//! What a person writes below `target_config:` of a server.

mod check;
mod host;
mod paths;
mod secrets;
mod values;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use check::{check, check_host, check_resolved};
pub use host::{BecomeMethod, Connection, ContainerEngine, HostConfig, HostDefaults};
pub(crate) use paths::{absolute, settle, with_environment};
pub(crate) use secrets::{is_reference, redact};
pub use values::HostsAffected;

/// How to reach hosts, and what may be touched there.
///
/// Hosts are listed in `hosts`, taken from the sources in `inventory`, or both. `select` and `hosts_affected` then choose
/// among them. What a host does not say itself, `defaults` says for all, and after that `~/.ssh/config`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// The hosts, one by one: `[{host: 10.0.1.50, username: deploy}]`.
    #[serde(default)]
    pub hosts: Vec<HostConfig>,
    /// What holds for every host that does not say it itself: `{username: deploy, become: sudo}`.
    #[serde(default)]
    pub defaults: HostDefaults,
    /// Where more hosts are listed: files, `~/.ssh/config`, Ansible inventories.
    #[serde(default)]
    pub inventory: Vec<Source>,
    /// Which of all these hosts are meant. Default: all.
    #[serde(default)]
    pub select: Select,
    /// How many of the hosts that are meant are used: a number (`1`), a share (`30%`, rounded down, but at least one) or
    /// `all`. Which ones is chosen with the seed of the run. Default: `all`.
    #[serde(default)]
    pub hosts_affected: HostsAffected,
    /// How many hosts are worked on at once, at least 1. Default: 20.
    #[serde(default)]
    pub max_parallel_hosts: Option<std::num::NonZeroU16>,
    /// Whether a host that does not answer is left out. Otherwise nothing runs when one is missing. A host that answers and does
    /// not let us in is never left out. Default: `false`.
    #[serde(default)]
    pub allow_unreachable: bool,
    /// Whether two of the hosts may turn out to be one machine. This is for test set-ups in which one machine has many
    /// addresses; elsewhere it is a mistake in the list, and the fault would hit that machine twice. Default: `false`.
    #[serde(default)]
    pub allow_same_machine: bool,
    /// How long after the planned hold a host undoes without us: time for the faults that come after this one, and for our
    /// own undo. From `1s` to `1h`. Default: `60s`.
    #[serde(default)]
    pub deadline_margin: Option<String>,
    /// What may be looked at and touched.
    #[serde(default)]
    pub discovery: Discovery,
}

/// A list of hosts that stands elsewhere. Exactly one of `file`, `ssh_config` and `ansible` says where.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A file with one host a line: `[user@]host[:port]`, IPv6 addresses with a port in brackets, comments after `#`. A
    /// relative path begins at the file that names it. `hosts.txt`.
    pub file: Option<String>,
    /// The hosts of the SSH client's configuration whose names match: `web-*`, or several separated by spaces. Only names that are
    /// written out there can be found; patterns such as `Host *.example.com` list nobody.
    pub ssh_config: Option<String>,
    /// An Ansible inventory, as INI or YAML (`.yaml`, `.yml`, `.json`). Variables that say how to log in (`ansible_host`,
    /// `ansible_user`, `ansible_port`, `ansible_become`, …) are used, others are not. `inventory.ini`.
    pub ansible: Option<String>,
    /// The group of the Ansible inventory that is meant, with the groups below it. Default: `all`.
    pub group: Option<String>,
    /// Labels for each host of this list: `{role: web}`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Which hosts are meant.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Select {
    /// Only hosts with all of these labels: `{role: web}`.
    pub labels: BTreeMap<String, String>,
    /// Only hosts whose name or address matches one of these; `*` stands for anything: `["web-*", "10.0.1.5"]`. Each of
    /// them must match a host.
    pub names: Vec<String>,
}

/// What may be looked at and touched on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Discovery {
    /// Whether faults may choose among what they find. When `false`, each fault must be told what to act on. Default: `true`.
    pub enabled: bool,
    /// Services that are never chosen or touched, by unit name with or without `.service`; `*` stands for anything:
    /// `["docker", "containerd", "db-*"]`.
    pub exclude_services: Vec<String>,
}

impl Default for Discovery {
    fn default() -> Self {
        Self { enabled: true, exclude_services: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
