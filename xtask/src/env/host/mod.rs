//! Real hosts over real SSH: Debian with systemd, and one with nothing but BusyBox. Each boots in its own network namespace,
//! can be rebooted, and is made afresh from a cached image whenever it is started. Two more have a kernel of their own.

mod image;
mod inventory;
mod keys;
mod machine;
mod network;
mod virtual_machine;

use std::fs::{self, File};
use std::path::PathBuf;
use std::thread;

use crate::Outcome;
use crate::env::{Part, Variables, debian, state};
use crate::failure::{Context, Failure};
use crate::process;

/// What this machine needs: a program and the package that brings it.
const PROGRAMS: &[(&str, &str)] = &[
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("ssh", "openssh-client"),
    ("mkfs.ext4", "e2fsprogs"),
    ("losetup", "mount"),
    ("linux.uml", "user-mode-linux"),
    // Tests look at the network from outside with it.
    ("ping", "iputils-ping"),
];

/// The hosts of the test world.
pub struct Hosts;

/// What a host runs as its first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Init {
    Systemd,
    BusyBox,
    /// Systemd, on a kernel of its own in a virtual machine.
    Virtual,
}

/// One host; its name is also that of its network namespace, where it has one.
struct Host {
    name: &'static str,
    init: Init,
    /// Last part of its addresses, and of its hardware address.
    number: u8,
}

const HOSTS: [Host; 7] = [
    Host { name: "th1", init: Init::Systemd, number: 2 },
    Host { name: "th2", init: Init::Systemd, number: 3 },
    Host { name: "th3", init: Init::BusyBox, number: 4 },
    // For the tests of the whole program, so that those of the faults do not wait for them.
    Host { name: "th4", init: Init::Systemd, number: 5 },
    Host { name: "th5", init: Init::Systemd, number: 6 },
    // Have what the kernel of this machine may lack. They are a few times slower than the others.
    Host { name: "th6", init: Init::Virtual, number: 7 },
    Host { name: "th7", init: Init::Virtual, number: 8 },
];

impl Host {
    fn address(&self) -> String {
        format!("10.77.0.{}", self.number)
    }

    fn ipv6(&self) -> String {
        format!("fd77::{:x}", self.number)
    }

    /// Returns a range of which the host answers on every address, so that it can play many.
    fn many(&self) -> String {
        format!("10.77.{}.0/24", self.number)
    }

    fn mac(&self) -> String {
        format!("02:77:00:00:00:{:02x}", self.number)
    }

    /// Returns this machine's end of the host's cable.
    fn veth(&self) -> String {
        format!("{}a", self.name)
    }

    fn folder(&self) -> PathBuf {
        state("host").join(self.name)
    }

    fn root(&self) -> PathBuf {
        self.folder().join("root")
    }
}

impl Part for Hosts {
    fn up(&self) -> Outcome<Variables> {
        if !process::is_root() {
            return Err(Failure::new("start the test hosts")
                .because("only root may start containers and make network namespaces"));
        }
        debian::install_missing(PROGRAMS)?;
        let _one_at_a_time = lock()?;
        let image = image::ready()?;
        keys::make()?;
        inventory::write_client_files()?;
        network::up(&image)?;
        in_parallel(|host| machine::up(host, &image))?;
        inventory::write()?;
        Ok(vec![("CHAOS_TEST_HOSTS".to_owned(), inventory::path().display().to_string())])
    }

    fn down(&self) -> Outcome {
        if !state("host").exists() {
            return Ok(());
        }
        let _one_at_a_time = lock()?;
        in_parallel(machine::down)?;
        network::down()
    }

    fn status(&self) -> Outcome<String> {
        let hosts = HOSTS.iter().map(|host| match machine::supervisor(host) {
            Some(pid) if machine::is_ready(host) => format!("{} {} pid {pid}", host.name, host.address()),
            Some(pid) => format!("{} does not answer, pid {pid}", host.name),
            None => format!("{} down", host.name),
        });
        let hosts: Vec<String> = hosts.collect();
        let are_up = HOSTS.iter().all(machine::is_ready);
        let word = if are_up { "up   " } else { "down " };
        Ok(format!("{word} {}; state {}", hosts.join(", "), state("host").display()))
    }
}

/// Does `work` with every host at once; the first failure is the result.
fn in_parallel(work: impl Fn(&Host) -> Outcome + Sync) -> Outcome {
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = HOSTS.iter().map(|host| scope.spawn(move || work(host))).collect();
        running
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(Failure::new("work on a test host"))))
    })
}

/// Waits until no other process starts or stops the hosts.
fn lock() -> Outcome<File> {
    let folder = state("host");
    let what = || format!("lock `{}`", folder.display());
    fs::create_dir_all(&folder).context(what)?;
    let file = File::create(folder.join("lock")).context(what)?;
    file.lock().context(what)?;
    Ok(file)
}
