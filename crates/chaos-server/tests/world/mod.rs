//! What live tests share: the real test hosts, seen and handled from outside of the product.
//!
//! A test takes a host with [`TestHost::get`] and has it to itself until the value is dropped, over all test programs of this
//! machine. Commands reach the host through its namespaces or its serial port, not through SSH, so they work when its network is cut.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "every test file uses its own part; a test ends where something is off"
)]

mod agent;
mod inventory;
mod snapshot;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub use inventory::{Host, inventory};
pub use snapshot::HostSnapshot;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long a test waits for a host that another one has. A crash matrix keeps its host for minutes.
const LOCKED_WITHIN: Duration = Duration::from_secs(1800);
/// A boot takes a second on an idle machine, and ten where it boots a kernel too. What does not end by itself is killed after a
/// minute and a half.
const BOOTED_WITHIN: Duration = Duration::from_secs(150);
/// What watched a deadline, or looked at something, is gone by then.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);
/// No command of a test takes longer.
const COMMAND_MAX: Duration = Duration::from_secs(120);
/// Stands for all containers with systemd: they are alike.
pub const ANY: &str = "any";
/// Stands for all virtual machines, whose kernel has what this machine's may lack.
pub const VIRTUAL: &str = "virtual";
/// Between two looks at a condition, at first.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// One test host that nobody else uses meanwhile.
pub struct TestHost {
    /// Its addresses, users and folders.
    pub host: Host,
    /// Freed by the kernel when this process dies.
    _lock: File,
}

/// How a command on a host ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl TestHost {
    /// Returns the host as soon as nobody else has it, with its network whole; says that the test is skipped when the hosts
    /// are not up. [`ANY`] is whichever container with systemd is free first, [`VIRTUAL`] whichever virtual machine. A test that
    /// needs several takes them with [`TestHost::get_all`]; who has one of them must not wait for another.
    pub async fn get(name: &str) -> Option<Self> {
        let Some(inventory) = inventory() else { return skipped("they were never started") };
        let mut hosts = inventory.hosts;
        hosts.retain(|host| match name {
            ANY => host.is_systemd(),
            VIRTUAL => host.is_virtual(),
            _ => host.name == name,
        });
        hosts.retain(Host::is_up);
        if hosts.is_empty() {
            return skipped("the part is down");
        }
        // Everybody begins at another one, so that all of them get their share.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let first = NEXT.fetch_add(1, Ordering::Relaxed) % hosts.len();
        hosts.rotate_left(first);
        let (lock, host) = first_free(&hosts).await;
        let host = Self { host, _lock: lock };
        host.join_network();
        if host.unclean_mark().exists() {
            host.recover().await;
        }
        File::create(host.unclean_mark()).unwrap();
        // A unit that failed under an earlier test is no matter of this one.
        host.is_true("command -v systemctl && systemctl reset-failed").await;
        host.wait_until_booted().await;
        Some(host)
    }

    /// Returns several hosts. Everybody takes them in the same order, so that nobody waits for each other.
    pub async fn get_all(names: &[&str]) -> Option<Vec<Self>> {
        let mut names = names.to_vec();
        names.sort_unstable();
        let mut hosts = Vec::new();
        for name in names {
            hosts.push(Self::get(name).await?);
        }
        Some(hosts)
    }

    /// Returns where the SSH server listens.
    pub fn ssh(&self) -> SocketAddr {
        SocketAddr::new(self.host.address.into(), self.host.port)
    }

    /// Runs shell text as root on the host and returns what it wrote. The test ends when it fails.
    pub async fn sh(&self, script: &str) -> String {
        let ended = self.try_sh(script).await;
        assert_eq!(ended.code, Some(0), "{}: {script}\n{}{}", self.host.name, ended.stdout, ended.stderr);
        ended.stdout
    }

    /// Runs shell text as root on the host and returns how it ended.
    pub async fn try_sh(&self, script: &str) -> Ended {
        self.run(script).await.unwrap_or_else(|| panic!("{} is down", self.host.name))
    }

    /// Returns whether shell text, run as root on the host, ends with success. A host that is just rebooting says no.
    pub async fn is_true(&self, script: &str) -> bool {
        self.run(script).await.is_some_and(|ended| ended.code == Some(0))
    }

    /// Runs shell text as root on the host; none when there is no host.
    async fn run(&self, script: &str) -> Option<Ended> {
        let work = async {
            match &self.host.agent {
                Some(agent) => agent::ask(agent, script).await,
                None => Some(run_inside(self.first_process()?, script).await),
            }
        };
        let Ok(ended) = tokio::time::timeout(COMMAND_MAX, work).await else {
            panic!("not within {COMMAND_MAX:?}: {script}");
        };
        ended
    }

    /// Returns all that a fault must leave as it was.
    pub async fn snapshot(&self) -> HostSnapshot {
        HostSnapshot::parse(&self.sh(snapshot::SCRIPT).await)
    }

    /// Ends the test when anything is not as in `before`.
    pub async fn assert_same(&self, before: &HostSnapshot) {
        let difference = before.diff(&self.snapshot().await);
        assert!(difference.is_empty(), "{} is not as it was:\n{difference}", self.host.name);
    }

    /// The same once what only looked has ended, which may take a little.
    pub async fn assert_soon_same(&self, before: &HostSnapshot) {
        let begin = Instant::now();
        while begin.elapsed() < SETTLED_WITHIN && !before.diff(&self.snapshot().await).is_empty() {
            tokio::time::sleep(pause(begin)).await;
        }
        self.assert_same(before).await;
    }

    /// Returns what tells one boot from another.
    pub async fn boot_id(&self) -> String {
        self.host.boot_id().await.unwrap_or_else(|| panic!("{} is down", self.host.name))
    }

    /// Reboots the host as its own administrator would, and waits until everything it starts has started.
    pub async fn reboot_and_wait(&self) {
        let before = self.boot_id().await;
        // The command dies with the host, sooner or later than its answer.
        let _ = self.try_sh("reboot").await;
        self.wait_for_boot_after(&before).await;
    }

    /// Waits until the host has booted after the boot `before`, whoever asked for it.
    pub async fn wait_for_boot_after(&self, before: &str) {
        // Looked at from outside: a process that enters a host on its way down holds it up.
        let has_booted = || async { self.host.boot_id().await.is_some_and(|now| now != before) };
        wait_until("the host boots again", BOOTED_WITHIN, has_booted).await;
        self.wait_until_booted().await;
    }

    /// Reboots a host that a test which failed or was killed left as it was just then: full, cut or without its tools. Not by its
    /// init, which may be unable to do anything there.
    async fn recover(&self) {
        wait_until("the host is there", BOOTED_WITHIN, async || self.host.boot_id().await.is_some()).await;
        let before = self.boot_id().await;
        self.is_true("reboot -f").await;
        self.wait_for_boot_after(&before).await;
    }

    /// Returns the file that is there while a test has the host, and behind one that did not come to its end.
    fn unclean_mark(&self) -> PathBuf {
        self.host.folder.with_extension("unclean")
    }

    /// Pulls the host's cable. It stays out over a reboot, until [`TestHost::join_network`] or the next test.
    pub fn cut_network(&self) {
        fs::write(self.host.folder.join("cut"), "").unwrap();
        ip_link(&self.host.veth, "down");
    }

    /// Plugs the host's cable in again.
    pub fn join_network(&self) {
        let _ = fs::remove_file(self.host.folder.join("cut"));
        // The cable of a container is made anew at a boot, and then it is plugged in already.
        if Path::new("/sys/class/net").join(&self.host.veth).exists() {
            ip_link(&self.host.veth, "up");
        }
    }

    /// Returns the path of a file of the host, as seen from this machine.
    pub fn path(&self, path: &str) -> PathBuf {
        let first = self.first_process().unwrap_or_else(|| panic!("{} is down", self.host.name));
        PathBuf::from(format!("/proc/{first}/root")).join(path.trim_start_matches('/'))
    }

    /// Returns the host's first process, by its number on this machine.
    pub fn first_process(&self) -> Option<u32> {
        self.host.first_process()
    }

    /// Waits until the host has started all it starts, and serves.
    pub async fn wait_until_booted(&self) {
        let question = if self.host.init != "busybox" {
            // The second SSH server counts as started before it listens.
            "[ \"$(systemctl is-system-running)\" = running ] && { ! systemctl is-active -q ssh-many ||
                ps -eo args | grep -q '^sshd: .* -p 2222 .*[[]listener[]]'; }"
        } else {
            // By then it listens; that there is a process says nothing yet.
            "ps -o args | grep -q '^sshd: .*[[]listener[]]'"
        };
        wait_until("the host has booted", BOOTED_WITHIN, || self.is_true(question)).await;
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        self.join_network();
        if !std::thread::panicking() {
            let _ = fs::remove_file(self.unclean_mark());
        }
    }
}

/// Asks until `is_so` says yes, at most for `bound`; the test ends when it never does.
pub async fn wait_until<F: Future<Output = bool>>(what: &str, bound: Duration, mut is_so: impl FnMut() -> F) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < bound, "not within {bound:?}: {what}");
        tokio::time::sleep(pause(begin)).await;
    }
}

/// How long to wait before the next look: what lasts long anyway is not worth a question all the time, which costs the host some
/// processes.
pub fn pause(begin: Instant) -> Duration {
    (begin.elapsed() / 10).clamp(LOOK_EVERY, LOOK_EVERY * 20)
}

/// Returns none, loudly; ends the test where every part of the test world is required.
pub fn skipped<T>(why: &str) -> Option<T> {
    let is_required = std::env::var("CHAOS_TEST_REQUIRE").is_ok_and(|value| value == "1");
    assert!(!is_required, "the test hosts are required: {why}");
    println!("SKIPPED: the test hosts are not up: {why}");
    None
}

/// Waits until one of these hosts is free, and takes it.
async fn first_free(hosts: &[Host]) -> (File, Host) {
    let end = Instant::now() + LOCKED_WITHIN;
    // Those who wait already look sooner than who comes now, or a program that takes one host after the other would keep them.
    tokio::time::sleep(LOOK_EVERY * 2).await;
    let mut files: Vec<_> = hosts
        .iter()
        .map(|host| (File::create(host.folder.with_extension("in-use")).unwrap(), host))
        .collect();
    loop {
        if let Some(free) = files.iter().position(|(file, _)| file.try_lock().is_ok()) {
            let (file, host) = files.swap_remove(free);
            return (file, host.clone());
        }
        assert!(Instant::now() < end, "no host is free within {LOCKED_WITHIN:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn run_inside(first: u32, script: &str) -> Ended {
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &first.to_string(), "--all"])
        .args([
            "env",
            "-i",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
        ])
        // A session of its own, by which the snapshot knows its own processes.
        .args(["setsid", "sh", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A host that goes down under the command closes the pipe.
    let _ = stdin.write_all(script.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn ip_link(link: &str, state: &str) {
    let status = std::process::Command::new("ip").args(["link", "set", link, state]).status().unwrap();
    assert!(status.success(), "`ip link set {link} {state}`: {status}");
}
