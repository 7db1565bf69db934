//! What a virtual machine has beside the other hosts: a kernel, which is a process of this machine, and a line by which tests ask it.
//! It is User-mode Linux, which needs no support by the processor.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Host, image, network};
use crate::Outcome;
use crate::failure::Context;
use crate::process;

/// Where Debian's package has the modules of its kernel.
const MODULES: &str = "/usr/lib/uml/modules";
/// It runs no more than the other hosts do; what it never used costs nothing.
const MEMORY: &str = "768M";
/// No login prompt on a console that nobody reads.
const COMMAND_LINE: &str = "root=/dev/ubda rootfstype=ext4 rw init=/usr/lib/world/boot quiet systemd.show_status=no \
    systemd.getty_auto=0 systemd.mask=getty@tty1.service con=null con0=null,fd:1 ssl=null ssl0=fd:3,fd:4";

/// Returns the folder of the two pipes by which tests ask the host, as they would enter the namespaces of a container.
pub fn agent(host: &Host) -> PathBuf {
    host.folder().join("agent")
}

/// Puts into the root of a host what it takes to boot by itself.
pub fn furnish(root: &Path) -> Outcome {
    let world = root.join("usr/lib/world");
    let write = |name: &str, text: &str| {
        let path = world.join(name);
        fs::write(&path, text).context(|| format!("write `{}`", path.display()))
    };
    write("boot", include_str!("virtual/boot.sh"))?;
    write("agent", include_str!("virtual/agent.py"))?;
    process::read(Command::new("cp").args(["-a", MODULES]).arg(root.join("usr/lib")))?;
    process::read(Command::new("chroot").arg(root).args([
        "/bin/sh",
        "-c",
        include_str!("virtual/setup.sh"),
        "setup",
    ]))
    .map(drop)
}

/// Gives the host its cable and its line, and returns the command that starts it; a reboot of it does not end the process, a power-off
/// does.
pub fn plugged_in(host: &Host) -> Outcome<Command> {
    plug(host)?;
    lay_line(host)?;
    let folder = host.folder();
    let disk = |name: &str| folder.join(name).display().to_string();
    let mut machine = Command::new("setsid");
    machine
        .args(["sh", "-c", include_str!("virtual/start.sh"), "start"])
        .arg(&folder)
        .arg(format!("umid={}", host.name))
        .arg(format!("uml_dir={}/", folder.display()))
        .arg(format!("mem={MEMORY}"))
        .arg(format!("ubd0={}", disk("root.img")))
        .arg(format!("ubd1={}", disk("ext.img")))
        .arg(format!("eth0=tuntap,{},{}", host.veth(), host.mac()))
        .args(COMMAND_LINE.split_whitespace())
        // Words with a `=` that the kernel does not know become the environment of the first process.
        .arg(format!("world_address={}", host.address()))
        .arg(format!("world_ipv6={}", host.ipv6()))
        .arg(format!("world_many={}", host.many()))
        .arg(format!("world_gateway={}", network::GATEWAY));
    Ok(machine)
}

/// Takes the host's cable away.
pub fn unplug(host: &Host) -> Outcome {
    network::remove(&host.veth())
}

fn plug(host: &Host) -> Outcome {
    unplug(host)?;
    network::ip(&["tuntap", "add", &host.veth(), "mode", "tap"])?;
    network::ip(&["link", "set", &host.veth(), "master", network::BRIDGE, "up"])
}

/// Makes the pipes afresh: nothing that was said to an earlier machine is left in them.
fn lay_line(host: &Host) -> Outcome {
    let folder = agent(host);
    image::remove(&folder)?;
    fs::create_dir(&folder).context(|| format!("make the folder `{}`", folder.display()))?;
    process::read(Command::new("mkfifo").args(["questions", "answers"].map(|name| folder.join(name))))
        .map(drop)
}
