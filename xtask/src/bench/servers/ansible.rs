//! The reference: Ansible, set up to be as fast as it can be, doing the same four steps.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::farm::{Farm, PORT};
use super::running::{Spent, processor_seconds};
use crate::failure::{Context, Failure};
use crate::{Outcome, process};

const VERSION: &str = "2.21.5";

/// One connection a host for all tasks, and no file for a module: its manual's advice for speed.
const CONFIG: &str =
    "[defaults]\nforks = 50\ninventory = inventory.ini\n[ssh_connection]\npipelining = True\n";

/// What `server.disk_fill` does, as far as Ansible can: no deadline on the host, no look whether it worked.
const PLAY: &str = "- hosts: all
  gather_facts: true
  tasks:
    - ansible.builtin.command: fallocate -l 1MiB /data/bench-{{ inventory_hostname }}
    - ansible.builtin.file: {path: \"/data/bench-{{ inventory_hostname }}\", state: absent}
";

/// An Ansible with an inventory.
pub struct Ansible {
    folder: PathBuf,
    program: PathBuf,
}

/// Returns where downloads are kept.
pub fn cache() -> PathBuf {
    std::env::home_dir().unwrap_or_else(|| PathBuf::from("/root")).join(".cache/chaos-agents")
}

impl Ansible {
    /// Installs it, unless it is there, and writes its files into `folder`.
    pub fn new(folder: &Path, farm: &Farm) -> Outcome<Self> {
        let home = cache().join(format!("ansible-{VERSION}"));
        let program = home.join("bin/ansible-playbook");
        if !program.is_file() {
            let python = python()?;
            process::read(Command::new(python).args(["-m", "venv"]).arg(&home))?;
            let package = format!("ansible-core=={VERSION}");
            process::read(Command::new(home.join("bin/pip")).args(["install", "-q", &package]))?;
        }
        let folder = folder.join("ansible");
        fs::create_dir_all(&folder).context(|| format!("create `{}`", folder.display()))?;
        let inventory = format!(
            "{}\n[all:vars]\nansible_port={PORT}\nansible_user=root\nansible_python_interpreter=/usr/bin/python3\n\
             ansible_ssh_private_key_file={}\nansible_ssh_common_args=-o UserKnownHostsFile={} -o StrictHostKeyChecking=yes\n",
            farm.addresses().join("\n"),
            farm.key.display(),
            farm.known_hosts.display(),
        );
        for (name, text) in [("ansible.cfg", CONFIG), ("inventory.ini", &inventory), ("play.yaml", PLAY)] {
            let path = folder.join(name);
            fs::write(&path, text).context(|| format!("write `{}`", path.display()))?;
        }
        Ok(Self { folder, program })
    }

    /// Does the four steps on all hosts and returns what that took.
    pub fn run(&self) -> Outcome<Spent> {
        let (started, before) = (Instant::now(), processor_seconds());
        let mut command = Command::new(&self.program);
        process::read(
            command.arg("play.yaml").current_dir(&self.folder).env("ANSIBLE_CONFIG", "ansible.cfg"),
        )?;
        Ok(Spent {
            seconds: started.elapsed().as_secs_f64(),
            processor_seconds: processor_seconds() - before,
        })
    }
}

/// Returns a Python that this version of Ansible runs on.
fn python() -> Outcome<PathBuf> {
    let home = std::env::home_dir().unwrap_or_default();
    let versions = fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    let folders: Vec<_> = versions.map(|entry| entry.path().join("bin")).collect();
    ["python3.12", "python3.13"]
        .iter()
        .find_map(|name| process::find(name, &folders))
        .ok_or_else(|| Failure::new("find Python 3.12 or 3.13, which Ansible needs"))
}
