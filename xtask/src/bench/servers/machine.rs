//! One test host, that nobody else uses meanwhile, acted on past SSH.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::Outcome;
use crate::failure::{Context, Failure};
use crate::process;

/// How long to wait for a host that a test has. A crash matrix keeps its host for minutes.
const FREE_MAX: Duration = Duration::from_secs(1800);

/// One test host.
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its own address, by which its keys are known.
    pub address: String,
    /// The first three numbers of the addresses that it answers on.
    pub network: String,
    folder: PathBuf,
    /// Freed by the kernel when this process dies.
    _lock: File,
}

impl Machine {
    /// Takes a host as the inventory describes it, as soon as no test has it.
    pub fn take(described: &Value) -> Outcome<Self> {
        let text = |key: &str| described[key].as_str().unwrap_or_default().to_owned();
        let folder = PathBuf::from(text("folder"));
        let path = folder.with_extension("in-use");
        let lock = File::create(&path).context(|| format!("open `{}`", path.display()))?;
        process::wait_for(&format!("{} free", text("name")), FREE_MAX, || lock.try_lock().is_ok())?;
        let network =
            text("many").rsplit_once('.').map(|(network, _)| network.to_owned()).unwrap_or_default();
        Ok(Self { name: text("name"), address: text("address"), network, folder, _lock: lock })
    }

    /// Runs a shell script as root on the host and returns what it wrote.
    pub fn sh(&self, script: &str, arguments: &[&str]) -> Outcome<String> {
        let first = self.first_process()?.to_string();
        let mut child = Command::new("nsenter")
            .args(["--target", &first, "--all", "env", "-i", "HOME=/root"])
            .args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-s", "--"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(|| format!("enter {}", self.name))?;
        let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(script.as_bytes()));
        written.context(|| format!("send a script to {}", self.name))?;
        let output = child.wait_with_output().context(|| format!("run a script on {}", self.name))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure::new(format!("run a script on {}", self.name)).because(said));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns a folder of the host as seen from this machine.
    pub fn path(&self, path: &str) -> Outcome<PathBuf> {
        Ok(PathBuf::from(format!("/proc/{}/root{path}", self.first_process()?)))
    }

    fn first_process(&self) -> Outcome<u32> {
        let supervisor = fs::read_to_string(self.folder.join("supervisor.pid")).ok();
        let container = supervisor.and_then(|pid| child(pid.trim().parse().ok()?, "systemd-nspawn"));
        container
            .and_then(|pid| child(pid, "systemd"))
            .ok_or_else(|| Failure::new(format!("find the first process of {}", self.name)))
    }
}

/// Returns the child of a process that runs a program of this name.
fn child(pid: u32, name: &str) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().filter_map(|child| child.parse().ok()).find(|child: &u32| {
        let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
        line.split('\0').next().is_some_and(|program| program.rsplit('/').next() == Some(name))
    })
}
