//! Very many hosts: each test host plays some, on an address each.
//!
//! Every address has an SSH server and a machine id of its own; systemd, file systems and processors are shared. So `chaos`
//! sees as many machines as there are addresses, and what all of them do at once costs this machine as much with either tool.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::machine::Machine;
use crate::failure::{Context, Failure};
use crate::{Outcome, process, workspace};

const MANY: &str = include_str!("many.sh");
const FEW: &str = include_str!("few.sh");
/// Where the test world describes its hosts.
const INVENTORY: &str = "/var/tmp/chaos-agents-env/host/hosts.json";
/// Where the servers of the farm listen.
pub const PORT: u16 = 2223;
/// What Ansible's modules import and a minimal Python does not have.
const LIBRARY: &str = "libpython3.11-stdlib";

/// Hosts that nobody else uses meanwhile. They are gone with this value.
pub struct Farm {
    machines: Vec<Machine>,
    addresses: Vec<String>,
    /// The private key that lets root in.
    pub key: PathBuf,
    /// The keys of all addresses.
    pub known_hosts: PathBuf,
}

impl Farm {
    /// Takes the test hosts with systemd and lets them play `count` hosts.
    pub fn take(count: usize) -> Outcome<Self> {
        let text = fs::read_to_string(INVENTORY).context(|| format!("read `{INVENTORY}`"))?;
        let inventory: Value = serde_json::from_str(&text).context(|| format!("read `{INVENTORY}`"))?;
        let described = inventory["hosts"].as_array().cloned().unwrap_or_default();
        let machines = described.iter().filter(|host| host["init"] == "systemd").map(Machine::take);
        let machines: Vec<Machine> = machines.collect::<Outcome<_>>()?;
        let path = |value: &Value| PathBuf::from(value.as_str().unwrap_or_default());
        let mut farm = Self {
            machines,
            addresses: Vec::new(),
            key: path(&inventory["keys"]["ed25519"]),
            known_hosts: workspace::target_folder().join("bench/world/known_hosts"),
        };
        farm.plant(count, &library()?)?;
        farm.know(&path(&inventory["known_hosts"]))?;
        Ok(farm)
    }

    fn plant(&mut self, count: usize, library: &Path) -> Outcome {
        let each = count.div_ceil(self.machines.len().max(1));
        for machine in &self.machines {
            machine.sh(FEW, &[])?;
            machine.sh("mkdir -p /run/bench && cp -a /usr/lib/python3.11 /run/bench/python", &[])?;
            let python = machine.path("/run/bench/python/")?;
            process::read(std::process::Command::new("cp").arg("-a").arg(library.join(".")).arg(python))?;
            machine.sh(MANY, &[&machine.network, &each.to_string()])?;
        }
        let numbers = 1..=each;
        let addresses = numbers.flat_map(|number| {
            self.machines.iter().map(move |one| format!("{}.{}", one.network, 100 + number))
        });
        self.addresses = addresses.take(count).collect();
        Ok(())
    }

    /// Writes the keys of all addresses where both tools read them.
    fn know(&self, known: &Path) -> Outcome {
        let keys = fs::read_to_string(known).context(|| format!("read `{}`", known.display()))?;
        let mut text = String::new();
        for address in &self.addresses {
            let machine = self.machine_of(address)?;
            let start = format!("{},", machine.address);
            let line = keys.lines().find(|line| line.starts_with(&start) && line.contains(" ssh-ed25519 "));
            let key = line.and_then(|line| line.split_once(' ')).map_or("", |(_, key)| key);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[{address}]:{PORT} {key}");
        }
        fs::write(&self.known_hosts, text).context(|| format!("write `{}`", self.known_hosts.display()))
    }

    /// Returns the addresses, those of different test hosts in turn.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Returns the test host that answers on an address.
    pub fn machine_of(&self, address: &str) -> Outcome<&Machine> {
        let network = address.rsplit_once('.').map_or("", |(network, _)| network);
        let found = self.machines.iter().find(|machine| machine.network == network);
        found.ok_or_else(|| Failure::new(format!("find the test host of {address}")))
    }

    /// Returns an experiment with one skill on some addresses; `params` is YAML in flow style.
    pub fn experiment(
        &self,
        addresses: &[String],
        more: &str,
        skill: &str,
        params: &str,
        hold: &str,
    ) -> String {
        let hosts: Vec<_> = addresses.iter().map(|address| format!("{{host: {address}}}")).collect();
        format!(
            "experiments:\n  - name: bench\n    target: server\n    target_config:\n      hosts: [{}]\n      \
             defaults: {{port: {PORT}, username: root, auth: {{type: key, private_key_path: {}}}, known_hosts: {}, ssh_config: none}}\n{more}    duration: {hold}\n    skills:\n      - skill_name: {skill}\n        params: {params}\n",
            hosts.join(", "),
            self.key.display(),
            self.known_hosts.display(),
        )
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        for machine in &self.machines {
            if let Err(failure) = machine.sh(FEW, &[]) {
                eprintln!("warning: {failure}");
            }
        }
    }
}

/// Returns the library of Debian's Python, from its package.
fn library() -> Outcome<PathBuf> {
    let folder = super::ansible::cache().join(LIBRARY);
    let library = folder.join("root/usr/lib/python3.11");
    if !library.is_dir() {
        fs::create_dir_all(&folder).context(|| format!("create `{}`", folder.display()))?;
        let script = "apt-get -q download \"$1\" && dpkg -x ./\"$1\"_*.deb root";
        let mut command = std::process::Command::new("sh");
        process::read(command.args(["-c", script, "sh", LIBRARY]).current_dir(&folder))?;
    }
    Ok(library)
}
