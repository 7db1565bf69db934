//! The switch that all hosts hang on, and the peer they talk to: a resolver and a web server in a network of their own.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::HOSTS;
use crate::Outcome;
use crate::env::state;
use crate::failure::{Context, Failure};
use crate::process;

/// The switch, and this machine's addresses on it.
pub const BRIDGE: &str = "chaos-world";
/// This machine, as hosts see it.
pub const GATEWAY: &str = "10.77.0.1";
const GATEWAY_IPV6: &str = "fd77::1";
/// The network namespace of the peer.
pub const PEER: &str = "th-peer";
const PEER_VETH: &str = "th-peera";
/// What the peer is called and where it listens; the first is the resolver.
pub const PEER_NAMES: [(&str, &str, &str); 2] =
    [("peer.world.test", "10.77.0.50", "fd77::50"), ("other.world.test", "10.77.0.51", "fd77::51")];
/// A small script starts in far less.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Makes the switch and starts the peer with the Python of `image`.
pub fn up(image: &Path) -> Outcome {
    if !exists(BRIDGE) {
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{GATEWAY}/16"), "dev", BRIDGE])?;
        ip(&["addr", "add", &format!("{GATEWAY_IPV6}/64"), "dev", BRIDGE, "nodad"])?;
        ip(&["link", "set", BRIDGE, "up"])?;
    }
    if peer().is_some() {
        return Ok(());
    }
    plug_peer()?;
    start_peer(image)
}

/// Stops the peer and removes the switch.
pub fn down() -> Outcome {
    if let Some(pid) = peer() {
        process::read(Command::new("kill").arg(pid.to_string()))?;
        process::wait_for("the peer of the test hosts end", READY_WITHIN, || peer().is_none())?;
    }
    if Path::new("/run/netns").join(PEER).exists() {
        ip(&["netns", "del", PEER])?;
    }
    for link in [PEER_VETH, BRIDGE] {
        remove(link)?;
    }
    Ok(())
}

/// Runs `ip`.
pub fn ip(arguments: &[&str]) -> Outcome {
    process::read(Command::new("ip").args(arguments)).map(drop)
}

/// Returns whether this machine has such an interface.
pub fn exists(link: &str) -> bool {
    Path::new("/sys/class/net").join(link).exists()
}

/// Removes an interface, where there is one.
pub fn remove(link: &str) -> Outcome {
    if !exists(link) {
        return Ok(());
    }
    // One whose other end was in a network namespace that has ended goes by itself, a little later.
    ip(&["link", "del", link]).or_else(|error| if exists(link) { Err(error) } else { Ok(()) })
}

fn plug_peer() -> Outcome {
    if Path::new("/run/netns").join(PEER).exists() {
        ip(&["netns", "del", PEER])?;
    }
    remove(PEER_VETH)?;
    ip(&["netns", "add", PEER])?;
    ip(&["link", "add", PEER_VETH, "type", "veth", "peer", "name", "eth0", "netns", PEER])?;
    for (_, address, ipv6) in PEER_NAMES {
        ip(&["-n", PEER, "addr", "add", &format!("{address}/16"), "dev", "eth0"])?;
        ip(&["-n", PEER, "addr", "add", &format!("{ipv6}/64"), "dev", "eth0", "nodad"])?;
    }
    for link in ["lo", "eth0"] {
        ip(&["-n", PEER, "link", "set", link, "up"])?;
    }
    ip(&["link", "set", PEER_VETH, "master", BRIDGE, "up"])
}

fn start_peer(image: &Path) -> Outcome {
    let log_path = state("host/peer.log");
    let what = || format!("write `{}`", log_path.display());
    let log = File::create(&log_path).context(what)?;
    let errors = log.try_clone().context(what)?;
    let mut names: Vec<String> =
        PEER_NAMES.iter().map(|(name, address, ipv6)| format!("{name}={address},{ipv6}")).collect();
    names.extend(
        HOSTS.iter().map(|host| format!("{}.world.test={},{}", host.name, host.address(), host.ipv6())),
    );
    let child = Command::new("setsid")
        .arg("nsenter")
        .arg(format!("--net=/run/netns/{PEER}"))
        .arg("chroot")
        .arg(image)
        .args(["/usr/bin/python3", "-B", "-c", include_str!("peer.py")])
        .args(names)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .context(|| "start the peer of the test hosts".to_owned())?;
    fs::write(state("host/peer.pid"), child.id().to_string())
        .context(|| "note the process of the peer".to_owned())?;
    process::wait_for("the peer of the test hosts answer", READY_WITHIN, || {
        fs::read_to_string(&log_path).is_ok_and(|log| log.contains("ready"))
    })
    .map_err(|_| {
        Failure::new("start the peer of the test hosts").hint(format!("see `{}`", log_path.display()))
    })
}

/// Returns the process of the peer, when it runs.
fn peer() -> Option<u32> {
    let pid: u32 = fs::read_to_string(state("host/peer.pid")).ok()?.trim().parse().ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    String::from_utf8_lossy(&line).contains("peer.world.test").then_some(pid)
}
