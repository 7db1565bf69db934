//! Test hosts as the end-to-end tests use them: without a runtime of their own around them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::hosts::{ANY, HostSnapshot, TestHost, VIRTUAL, inventory, pause, wait_until};
use crate::world::Experiment;

/// Seconds after the hold in which a host undoes without us. As short as can be, so that tests need not wait.
const MARGIN: &str = "2s";
/// How long a host may take to undo by itself, its deadline or its boot included.
const UNDONE_WITHIN: Duration = Duration::from_secs(40);
/// The same for a virtual machine, where everything takes a few times as long.
const UNDONE_WITHIN_VIRTUAL: Duration = Duration::from_secs(180);
/// How long what a boot or a cable has begun may take.
const SOON: Duration = Duration::from_secs(20);

/// Prints each rope on a host that has not done its work.
const ROPES_NOT_DONE: &str = "for rope in /run/chaos_2* /var/lib/chaos_2*; do
    [ ! -d \"$rope\" ] || [ -e \"$rope/done\" ] || echo \"$rope\"
done";
/// Takes away what a test that failed has left, so that the next one does not fail for it.
const SWEEP: &str = "rm -rf /var/lib/chaos_2* /run/chaos_2* /etc/systemd/system/chaos_2* \
    /etc/systemd/system/sysinit.target.wants/chaos_2* /ext/.chaos_2* /data/of-the-third-fault";

/// Some hosts that nobody else uses meanwhile, and how they were at first.
pub struct Bed {
    runtime: Runtime,
    hosts: Vec<TestHost>,
    before: Vec<Look>,
    set: Set,
}

/// What a test needs on its hosts besides what every host has.
#[derive(Debug, Clone, Copy)]
pub struct Set {
    /// Which host it is.
    pub host: &'static str,
    /// Shell text that makes what the test acts on.
    pub set_up: &'static str,
    /// Shell text that takes it away again.
    pub clean_up: &'static str,
    /// Shell text that brings back what is gone after any reboot.
    pub after_reboot: &'static str,
    /// Shell text that prints more of what must be as before.
    pub look: &'static str,
    /// The engine and the name of a container on the host that is meant in its place.
    pub container: Option<(&'static str, &'static str)>,
}

impl Set {
    /// Nothing, on whichever host is free.
    pub const NONE: Self =
        Self { host: ANY, set_up: "", clean_up: "", after_reboot: "", look: "", container: None };
    /// Nothing, on whichever virtual machine is free: their kernel has every module.
    pub const VIRTUAL: Self = Self { host: VIRTUAL, ..Self::NONE };
}

/// What is seen of one host.
struct Look {
    host: HostSnapshot,
    more: String,
    /// Ropes that somebody has left there, and that nobody ends.
    ropes: String,
}

impl Bed {
    /// Takes the hosts of these names; `None` where they are not up and may be missing.
    pub fn take(names: &[&str]) -> Option<Self> {
        Self::of(|runtime| runtime.block_on(TestHost::get_all(names)), Set::NONE)
    }

    /// Takes the host of the set, with the set on it.
    pub fn take_any(set: Set) -> Option<Self> {
        Self::of(|runtime| Some(vec![runtime.block_on(TestHost::get(set.host))?]), set)
    }

    /// Takes the host of the set as it is after a reboot, without what earlier tests have left in its memory.
    pub fn take_any_rebooted(set: Set) -> Option<Self> {
        let mut bed = Self::take_any(set)?;
        bed.reboot();
        bed.before = bed.look();
        Some(bed)
    }

    fn of(take: impl FnOnce(&Runtime) -> Option<Vec<TestHost>>, set: Set) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let hosts = take(&runtime)?;
        let mut bed = Self { runtime, hosts, before: Vec::new(), set };
        bed.on_all(set.set_up);
        bed.before = bed.look();
        Some(bed)
    }

    fn look(&self) -> Vec<Look> {
        let look = |host: &TestHost| Look {
            host: self.runtime.block_on(host.snapshot()),
            more: match self.set.look {
                "" => String::new(),
                script => self.runtime.block_on(host.sh(script)),
            },
            ropes: self.runtime.block_on(host.sh(ROPES_NOT_DONE)),
        };
        self.hosts.iter().map(look).collect()
    }

    fn on_all(&self, script: &str) {
        if !script.is_empty() {
            self.hosts.iter().for_each(|host| drop(self.runtime.block_on(host.sh(script))));
        }
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
            self.runtime.block_on(wait_until("the cable is in", SOON, is_joined));
        }
    }

    /// Reboots all hosts and waits until they are up.
    pub fn reboot(&self) {
        for host in &self.hosts {
            self.runtime.block_on(host.reboot_and_wait());
        }
        self.on_all(self.set.after_reboot);
    }

    /// Waits until no host reboots that was told to, and brings back what is gone after any reboot.
    pub fn wait_for_boots(&self) {
        for host in &self.hosts {
            // One that was told so just now still runs for a moment.
            self.runtime.block_on(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                host.wait_until_booted().await;
            });
        }
        self.on_all(self.set.after_reboot);
    }

    /// Returns in what a host differs from what it was, but for its cable and the ropes that wait to be read by a recovery.
    fn difference_by_itself(&self) -> Option<String> {
        self.difference(|line| !is_rope(line) && !is_link(line))
    }

    fn difference(&self, counts: impl Fn(&str) -> bool) -> Option<String> {
        let after = self.look();
        let hosts = self.hosts.iter().zip(self.before.iter().zip(&after));
        hosts.into_iter().find_map(|(host, (before, after))| {
            let name = &host.host.name;
            if before.more != after.more {
                return Some(format!("{name} is not as it was:\n{}\nbut:\n{}", before.more, after.more));
            }
            let difference = before.host.diff(&after.host);
            let lines: Vec<_> = difference.lines().filter(|line| counts(line)).collect();
            (!lines.is_empty()).then(|| format!("{name} is not as it was:\n{}", lines.join("\n")))
        })
    }

    /// Waits until the hosts are as they were, with nobody's help.
    pub fn wait_for_deadlines(&self, at: &str) {
        let what = format!("the hosts have undone it by themselves after a kill at {at}");
        let limit = if self.is_virtual() { UNDONE_WITHIN_VIRTUAL } else { UNDONE_WITHIN };
        let begin = Instant::now();
        // A look at everything takes long; the ropes say when it is time for one.
        for (host, before) in self.hosts.iter().zip(&self.before) {
            while !self.ropes_are_done(host, before) {
                let rope = || self.runtime.block_on(host.sh(ROPES_NOT_DONE));
                assert!(begin.elapsed() < limit, "{what} within {limit:?}; at work: {}", rope());
                std::thread::sleep(pause(begin));
            }
        }
        while let Some(difference) = self.difference_by_itself() {
            assert!(begin.elapsed() < limit, "{what} within {limit:?}: {difference}");
            std::thread::sleep(pause(begin));
        }
    }

    /// Whether no rope is at work that was not there before. A host that is just rebooting says no.
    fn ropes_are_done(&self, host: &TestHost, before: &Look) -> bool {
        let script = format!("known='{}'\n[ \"$({ROPES_NOT_DONE})\" = \"$known\" ]", before.ropes.trim_end());
        self.runtime.block_on(host.is_true(&script))
    }

    /// Fails unless every host is exactly as it was, ropes included.
    #[track_caller]
    pub fn assert_same(&self, at: &str) {
        if let Some(difference) = self.difference(|_| true) {
            panic!("after a kill at {at}, {difference}");
        }
    }

    /// Returns the entries of `hosts:` for all hosts, in flow style.
    fn entries(&self) -> String {
        let key = self.key();
        let container = self.set.container.map_or_else(String::new, |(engine, name)| {
            format!(", container_engine: {engine}, container: {name}")
        });
        let entry = |host: &TestHost| {
            let address = host.ssh();
            format!(
                "{{host: {}, port: {}, username: root, auth: {{type: key, private_key_path: {}}}{container}}}",
                address.ip(),
                address.port(),
                key.display()
            )
        };
        self.hosts.iter().map(entry).collect::<Vec<_>>().join(", ")
    }

    fn is_virtual(&self) -> bool {
        self.hosts.iter().any(|host| host.host.is_virtual())
    }

    /// Returns `target_config:` in flow style.
    pub fn config(&self) -> String {
        self.config_with(MARGIN)
    }

    fn config_with(&self, margin: &str) -> String {
        let known_hosts = inventory().unwrap().known_hosts;
        let patience = if self.is_virtual() { "30s" } else { "15s" };
        format!(
            "{{hosts: [{}], defaults: {{known_hosts: {}, ssh_config: none, connect_timeout: {patience}}}, deadline_margin: {margin}}}",
            self.entries(),
            known_hosts.display()
        )
    }

    /// Returns an experiment on all hosts, whose ropes come this long after the hold.
    pub fn experiment(&self, hold: &str, margin: &str, skills: &str) -> Experiment {
        let skills: String = skills.lines().map(|line| format!("      {line}\n")).collect();
        Experiment::from_text(&format!(
            "experiments:\n  - name: servers\n    target: server\n    target_config: {}\n    duration: {hold}\n    skills:\n{skills}",
            self.config_with(margin)
        ))
    }

    /// Returns the address of the first host.
    pub fn address(&self) -> IpAddr {
        self.hosts[0].ssh().ip()
    }

    /// Returns the key that lets root in.
    pub fn key(&self) -> PathBuf {
        inventory().unwrap().keys.ed25519
    }
}

impl Bed {
    fn leave(&self, has_failed: bool) {
        if has_failed {
            self.join();
        }
        for host in &self.hosts {
            if has_failed {
                self.runtime.block_on(host.is_true(SWEEP));
            }
            self.runtime.block_on(host.is_true(self.set.clean_up));
        }
        if has_failed {
            self.hosts.iter().for_each(|host| self.runtime.block_on(host.reboot_and_wait()));
        }
    }
}

impl Drop for Bed {
    /// A host is left to the next test as it was found, by a test that failed too.
    fn drop(&mut self) {
        let has_failed = std::thread::panicking();
        let left = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.leave(has_failed)));
        // A second panic would end the whole test program, and hide what the first one was about.
        assert!(left.is_ok() || has_failed, "a host cannot be left as it was found");
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
    // A boot has loaded the boot unit, and with it those that it names; only a recovery lets the service manager forget them.
    // A unit that was there before and is dead now has another line, for what it was.
    let is_loaded_with_it = line.starts_with("+ units:") && line.ends_with(".service loaded inactive dead");
    let is_boot_unit = line.contains(" chaos_2") && line.ends_with("-boot.service loaded inactive dead");
    is_around
        || is_loaded_with_it
        || is_boot_unit
        || (line.starts_with('+') && (is_inside("/run") || is_inside("/var/lib")))
}
