//! What a virtual machine has beside the other hosts: a kernel, a process that emulates it, a port by which tests ask it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Host, network};
use crate::Outcome;
use crate::failure::Context;
use crate::process;

/// In MiB. It runs no more than the other hosts do; what it does not use costs nothing.
const MEMORY: &str = "768";
/// No question to a device that is not there, and no login prompt on a console that nobody reads.
const COMMAND_LINE: &str = "console=ttyS0 quiet systemd.getty_auto=0 systemd.mask=getty@tty1.service \
    systemd.show_status=no mitigations=off nokaslr panic=10";

/// Returns the socket by which tests ask the host, as they would enter the namespaces of a container.
pub fn agent(host: &Host) -> PathBuf {
    host.folder().join("agent.sock")
}

/// Puts into the root of a host what it takes to boot by itself.
pub fn furnish(root: &Path, kernel: &Path) -> Outcome {
    let world = root.join("usr/lib/world");
    let write = |name: &str, text: &str| {
        let path = world.join(name);
        fs::write(&path, text).context(|| format!("write `{}`", path.display()))
    };
    write("boot", include_str!("virtual/boot.sh"))?;
    write("agent", include_str!("virtual/agent.py"))?;
    // Tests are patient with a host that has this.
    write("emulated", "")?;
    process::read(Command::new("cp").arg("-a").arg(kernel.join("lib/modules")).arg(root.join("usr/lib")))?;
    process::read(Command::new("cp").arg(kernel.join("kmod.deb")).arg(root))?;
    process::read(Command::new("chroot").arg(root).args([
        "/bin/sh",
        "-c",
        include_str!("virtual/setup.sh"),
        "setup",
        "/kmod.deb",
    ]))
    .map(drop)
}

/// Gives the host its cable, and returns the command that starts it; a reboot of it does not end the process, a power-off does.
pub fn plugged_in(host: &Host, kernel: &Path) -> Outcome<Command> {
    let folder = host.folder();
    plug(host)?;
    let place = |name: &str| folder.join(name).display().to_string();
    let mut machine = Command::new("setsid");
    machine
        .arg("qemu-system-x86_64")
        // What emulates in hardware may be there and not work. One processor: the network device has one queue then. Page tables of
        // five levels are rare on real machines and slow to emulate.
        .args(["-accel", "tcg", "-machine", "q35", "-cpu", "max,la57=off", "-smp", "1", "-m", MEMORY])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-name", host.name])
        .args(["-pidfile", &place("supervisor.pid")])
        .arg("-kernel")
        .arg(kernel.join("vmlinuz"))
        .arg("-initrd")
        .arg(kernel.join("initramfs"))
        .args(["-append", &command_line(host)])
        // The disks are made afresh at each start, so nothing of them need outlive this machine.
        .args(["-drive", &format!("file={},format=raw,if=virtio,cache=unsafe", place("root.img"))])
        .args(["-drive", &format!("file={},format=raw,if=virtio,cache=unsafe", place("ext.img"))])
        .args(["-netdev", &format!("tap,id=net,ifname={},script=no,downscript=no", host.veth())])
        .args(["-device", &format!("virtio-net-pci,netdev=net,romfile=,mac={}", host.mac())])
        .args(["-chardev", &format!("socket,id=agent,server=on,wait=off,path={}", agent(host).display())])
        .args(["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent"])
        .args(["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"])
        .args(["-chardev", &format!("file,id=console,append=on,path={}", place("console.log"))])
        .args(["-serial", "chardev:console"]);
    Ok(machine)
}

/// Takes the host's cable away.
pub fn unplug(host: &Host) -> Outcome {
    if network::exists(&host.veth()) { network::ip(&["link", "del", &host.veth()]) } else { Ok(()) }
}

fn plug(host: &Host) -> Outcome {
    unplug(host)?;
    network::ip(&["tuntap", "add", &host.veth(), "mode", "tap"])?;
    network::ip(&["link", "set", &host.veth(), "master", network::BRIDGE, "up"])
}

/// Returns the words for the kernel. Those with a `=` that it does not know become the environment of the first process.
fn command_line(host: &Host) -> String {
    format!(
        "{COMMAND_LINE} world_address={} world_ipv6={} world_many={} world_gateway={}",
        host.address(),
        host.ipv6(),
        host.many(),
        network::GATEWAY
    )
}
