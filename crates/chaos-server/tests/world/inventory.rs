//! What `cargo xtask env up host` says about the hosts.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// Where the description is unless `CHAOS_TEST_HOSTS` says otherwise.
const DEFAULT_PATH: &str = "/var/tmp/chaos-agents-env/host/hosts.json";

/// The hosts, and what they can be reached with and can reach.
#[derive(Debug, Clone, Deserialize)]
pub struct Inventory {
    /// This machine's interface on the switch that all hosts hang on.
    pub bridge: String,
    /// This machine, as hosts see it.
    pub gateway: Ipv4Addr,
    /// The name server of the hosts; it is the first peer.
    pub resolver: Ipv4Addr,
    /// Servers that hosts can talk to: HTTP on ports 80 and 8080.
    pub peers: Vec<Peer>,
    /// An OpenSSH client configuration in which each host's name lets root in.
    pub ssh_config: PathBuf,
    /// The true keys of all hosts.
    pub known_hosts: PathBuf,
    /// Users' private keys.
    pub keys: Keys,
    /// All hosts.
    pub hosts: Vec<Host>,
}

/// A server outside of the hosts.
#[derive(Debug, Clone, Deserialize)]
pub struct Peer {
    /// The name that the resolver knows.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its other address.
    pub ipv6: Ipv6Addr,
}

/// Private keys. Hosts let all users in with each of them, but for the last two.
#[derive(Debug, Clone, Deserialize)]
pub struct Keys {
    /// Without a passphrase.
    pub ed25519: PathBuf,
    /// With [`Keys::passphrase`].
    pub with_passphrase: PathBuf,
    /// The passphrase.
    pub passphrase: String,
    /// On a NIST curve.
    pub ecdsa: PathBuf,
    /// RSA.
    pub rsa: PathBuf,
    /// Let in only together with [`Keys::certificate`].
    pub certified: PathBuf,
    /// Signed by the authority that systemd hosts trust, for root, chaos and plain.
    pub certificate: PathBuf,
    /// Let in nowhere.
    pub stranger: PathBuf,
}

/// How long a virtual machine that lives may take for a question that is no work.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// One host.
#[derive(Debug, Clone, Deserialize)]
pub struct Host {
    /// `th3` has BusyBox only, `th6` and `th7` are virtual machines, all others have systemd.
    pub name: String,
    /// `systemd`, `busybox`, or `virtual`: systemd on a kernel of its own.
    pub init: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its other address.
    pub ipv6: Ipv6Addr,
    /// A range of which it answers on every address.
    pub many: String,
    /// Where its SSH server listens.
    pub port: u16,
    /// A second SSH server, without a limit of connections.
    pub port_many: Option<u16>,
    /// Who may log in.
    pub users: BTreeMap<String, User>,
    /// Its files on this machine: log, process id, lock.
    pub folder: PathBuf,
    /// Where a virtual machine is asked, which cannot be entered.
    #[serde(default)]
    pub agent: Option<PathBuf>,
    /// This machine's end of its cable.
    pub veth: String,
}

/// A user of a host.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// For the users who may log in with one.
    pub password: Option<String>,
}

/// Returns the description, when the hosts were ever started.
pub fn inventory() -> Option<Inventory> {
    let path = std::env::var("CHAOS_TEST_HOSTS").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    let text = fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

impl Inventory {
    /// Returns one host.
    pub fn host(&self, name: &str) -> Option<Host> {
        self.hosts.iter().find(|host| host.name == name).cloned()
    }
}

impl Host {
    /// Returns whether it is a container with a real service manager. They are alike.
    pub fn is_systemd(&self) -> bool {
        self.init == "systemd"
    }

    /// Returns whether it has a kernel of its own, and is slow.
    pub fn is_virtual(&self) -> bool {
        self.init == "virtual"
    }

    /// Returns whether something keeps it running; it may be rebooting just now.
    pub fn is_up(&self) -> bool {
        self.supervisor().is_some()
    }

    /// Returns the first process of a container, by its number on this machine; none while it is between two boots.
    pub fn first_process(&self) -> Option<u32> {
        let container = child_named(self.supervisor()?, &["systemd-nspawn"])?;
        // Before it runs an init, the process is half in this machine and half in the host.
        child_named(container, &["systemd", "init"])
    }

    /// Returns what tells one boot from another, read from outside; none while it is between two boots.
    pub async fn boot_id(&self) -> Option<String> {
        if let Some(agent) = &self.agent {
            let ask = super::agent::ask(agent, "cat /proc/sys/kernel/random/boot_id");
            let answer = tokio::time::timeout(ANSWERED_WITHIN, ask).await.ok()??;
            return (answer.code == Some(0)).then(|| answer.stdout.trim().to_owned());
        }
        let path = format!("/proc/{}/root/proc/sys/kernel/random/boot_id", self.first_process()?);
        fs::read_to_string(path).ok().map(|id| id.trim().to_owned())
    }

    fn supervisor(&self) -> Option<u32> {
        let pid = fs::read_to_string(self.folder.join("supervisor.pid")).ok()?.trim().parse().ok()?;
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        line.contains(self.folder.to_str()?).then_some(pid)
    }
}

/// Returns the child of a process that runs one of these programs.
fn child_named(pid: u32, names: &[&str]) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().filter_map(|child| child.parse().ok()).find(|child: &u32| {
        let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
        let program = line.split('\0').next().unwrap_or_default();
        program.rsplit('/').next().is_some_and(|program| names.contains(&program))
    })
}
