//! Test hosts as the end-to-end tests use them: without a runtime of their own around them.

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::hosts::{HostSnapshot, TestHost, inventory, wait_until};
use crate::world::Experiment;

/// Seconds after the hold in which a host undoes without us. As short as can be, so that tests need not wait.
const MARGIN: &str = "2s";

/// Some hosts that nobody else uses meanwhile, and how they were at first.
pub struct Bed {
    runtime: Runtime,
    hosts: Vec<TestHost>,
    before: Vec<HostSnapshot>,
}

impl Bed {
    /// Takes the hosts of these names; `None` where they are not up and may be missing.
    pub fn take(names: &[&str]) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let hosts = runtime.block_on(TestHost::get_all(names))?;
        let mut bed = Self { runtime, hosts, before: Vec::new() };
        bed.look();
        Some(bed)
    }

    /// Takes what is there now for what must be there in the end.
    pub fn look(&mut self) {
        self.before = self.hosts.iter().map(|host| self.runtime.block_on(host.snapshot())).collect();
    }

    /// Runs shell text as root on a host, past the product.
    pub fn sh(&self, host: usize, script: &str) -> String {
        self.runtime.block_on(self.hosts[host].sh(script))
    }

    /// Pulls the cables of all hosts.
    pub fn cut(&self) {
        self.hosts.iter().for_each(TestHost::cut_network);
    }

    /// Plugs the cables in again, and waits until the hosts see that.
    pub fn join(&self) {
        for host in &self.hosts {
            host.join_network();
            let is_joined = || {
                host.is_true("ip -o link show eth0 | grep -q LOWER_UP && ! ip -6 -o addr | grep -q tentative")
            };
            self.runtime.block_on(wait_until("the cable is in", Duration::from_secs(20), is_joined));
        }
    }

    /// Reboots all hosts and waits until they are up.
    pub fn reboot(&self) {
        for host in &self.hosts {
            self.runtime.block_on(host.reboot_and_wait());
        }
    }

    /// Returns in what a host differs from what it was, but for its cable and the ropes that wait to be read by a recovery.
    pub fn difference(&self) -> Option<String> {
        self.hosts.iter().zip(&self.before).find_map(|(host, before)| {
            let after = self.runtime.block_on(host.snapshot());
            let lines: Vec<_> = before
                .diff(&after)
                .lines()
                .filter(|line| !is_rope(line) && !is_link(line))
                .map(str::to_owned)
                .collect();
            (!lines.is_empty()).then(|| format!("{} is not as it was:\n{}", host.host.name, lines.join("\n")))
        })
    }

    /// Waits until the hosts are as they were, with nobody's help.
    pub fn wait_for_deadlines(&self, at: &str) {
        let what = format!("the hosts have undone it by themselves after a kill at {at}");
        let mut last = None;
        let bound = Duration::from_secs(25);
        let is_same = || {
            last = self.difference();
            last.is_none()
        };
        let mut is_same = is_same;
        let end = std::time::Instant::now() + bound;
        while !is_same() {
            assert!(std::time::Instant::now() < end, "{what} within {bound:?}: {last:?}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Fails unless every host is exactly as it was, ropes included.
    #[track_caller]
    pub fn assert_same(&self, at: &str) {
        for (host, before) in self.hosts.iter().zip(&self.before) {
            let difference = before.diff(&self.runtime.block_on(host.snapshot()));
            assert!(
                difference.is_empty(),
                "after a kill at {at}, {} is not as it was:\n{difference}",
                host.host.name
            );
        }
    }

    /// Returns the entries of `hosts:` for all hosts, in flow style.
    pub fn entries(&self) -> String {
        let key = self.key();
        let entry = |host: &TestHost| {
            let address = host.ssh();
            format!(
                "{{host: {}, port: {}, username: root, auth: {{type: key, private_key_path: {}}}}}",
                address.ip(),
                address.port(),
                key.display()
            )
        };
        self.hosts.iter().map(entry).collect::<Vec<_>>().join(", ")
    }

    /// Returns `target_config:` in flow style.
    pub fn config(&self) -> String {
        let known_hosts = inventory().unwrap().known_hosts;
        format!(
            "{{hosts: [{}], defaults: {{known_hosts: {}, ssh_config: none}}, deadline_margin: {MARGIN}}}",
            self.entries(),
            known_hosts.display()
        )
    }

    /// Returns an experiment on all hosts.
    pub fn experiment(&self, hold: &str, skills: &str) -> Experiment {
        let skills: String = skills.lines().map(|line| format!("      {line}\n")).collect();
        Experiment::from_text(&format!(
            "experiments:\n  - name: servers\n    target: server\n    target_config: {}\n    duration: {hold}\n    skills:\n{skills}",
            self.config()
        ))
    }

    /// Returns the key that lets root in.
    pub fn key(&self) -> PathBuf {
        inventory().unwrap().keys.ed25519
    }
}

impl Drop for Bed {
    /// What a failed test leaves must not fail the next one.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.join();
            for host in 0..self.hosts.len() {
                self.sh(
                    host,
                    "rm -rf /var/lib/chaos_2* /run/chaos_2* /etc/systemd/system/chaos_2* \
                    /etc/systemd/system/sysinit.target.wants/chaos_2* /ext/.chaos_2* /srv/*",
                );
            }
            self.reboot();
        }
    }
}

/// Whether a line of a difference is about the cable, which a test may have pulled.
fn is_link(line: &str) -> bool {
    line.starts_with("- links:") || line.starts_with("+ links:")
}

/// Whether a line of a difference is a rope that has fired and waits for a recovery to read it.
fn is_rope(line: &str) -> bool {
    let is_inside = |base: &str| line.contains(&format!("{base}/chaos_2"));
    // A directory counts those inside it.
    let is_around = line.ends_with(" '/run'") || line.ends_with(" '/var/lib'");
    // A boot has loaded it; only a recovery lets the service manager forget it.
    let is_boot_unit = line.contains(" chaos_2") && line.ends_with("-boot.service loaded inactive dead");
    is_around || is_boot_unit || (line.starts_with('+') && (is_inside("/run") || is_inside("/var/lib")))
}
