//! What every fault needs to know of a host, in one question.

use chaos_core::{Failure, FaultError};
use chaos_host::{Host, Limits, Script};

use crate::target::{Facts, Peer};

/// The tools that faults ask for.
pub const TOOLS: &[&str] = &[
    "awk",
    "bash",
    "base64",
    "busctl",
    "chattr",
    "conntrack",
    "curl",
    "dd",
    "docker",
    "fallocate",
    "find",
    "flock",
    "getcap",
    "getfacl",
    "ip",
    "iptables",
    "ip6tables",
    "lsattr",
    "lsof",
    "modprobe",
    "mountpoint",
    "nerdctl",
    "nft",
    "nsenter",
    "openssl",
    "perl",
    "podman",
    "prlimit",
    "ps",
    "python3",
    "setcap",
    "setfacl",
    "setsid",
    "sha256sum",
    "ss",
    "stat",
    "stress-ng",
    "sync",
    "systemctl",
    "systemd-run",
    "tc",
    "timeout",
    "truncate",
    "unshare",
    "xargs",
];

/// Asks a host what every fault needs to know.
///
/// # Errors
/// When it cannot be asked, or its answer is not one.
pub async fn facts(host: &Host) -> Result<Facts, FaultError> {
    let script = Script::new(include_str!("facts.sh")).set("tools", TOOLS.join(" "));
    let output = host.must("ask the host what it is", &script, Limits::default()).await?;
    let fields = output.fields();
    let mut facts = Facts::default();
    for pair in fields.chunks_exact(2) {
        let [Some(key), Some(value)] = pair else {
            let what = "read what the host says of itself";
            return Err(FaultError::Target(Failure::new(what).source("it is not UTF-8")));
        };
        apply(&mut facts, key, value);
    }
    Ok(facts)
}

fn apply(facts: &mut Facts, key: &str, value: &str) {
    let text = value.trim().to_owned();
    match key {
        "os" => facts.os = text,
        "kernel" => facts.kernel = text,
        "hostname" => facts.hostname = text,
        "machine_id" => facts.machine_id = text,
        "boot_id" => facts.boot_id = text,
        "has_systemd" => facts.has_systemd = text == "1",
        "uid" => facts.is_root = text == "0",
        "user" => facts.user = text,
        "tool" => facts.tools.push(text),
        "run_free_kib" => facts.run_free_kib = text.parse().unwrap_or(0),
        "lasting_writable" => facts.is_lasting_writable = text == "1",
        "own_cgroup" => facts.own_units = units_of(&text),
        "ssh_connection" => facts.peer = peer(&text),
        _ => {}
    }
}

/// Returns the units along a control group's path: `/system.slice/ssh.service` has two.
fn units_of(cgroup: &str) -> Vec<String> {
    cgroup.split('/').filter(|part| part.contains('.')).map(str::to_owned).collect()
}

/// Reads `SSH_CONNECTION`: their address and port, then ours.
fn peer(text: &str) -> Option<Peer> {
    let parts: Vec<_> = text.split(' ').collect();
    let [address, _, _, port] = parts.as_slice() else { return None };
    Some(Peer { address: (*address).to_owned(), port: port.parse().ok()? })
}
