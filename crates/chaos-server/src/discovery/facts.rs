//! What every fault needs to know of a host, in one question.

use std::fmt::Write as _;
use std::time::Duration;

use chaos_host::{Host, HostError, Limits, Script};
use sha2::{Digest, Sha256};

use crate::target::{Facts, Peer};

/// The tools that faults ask for.
pub const TOOLS: &[&str] = &[
    "awk",
    "bash",
    "base64",
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

/// What is tried, in errors.
const WHAT: &str = "ask the host what it is";
/// The answer takes tenths of a second. A host that is slower than this would miss every deadline too.
const LIMITS: Limits = Limits { time: Duration::from_secs(20), output: 1 << 20 };

/// Asks a host what every fault needs to know.
///
/// # Errors
/// When it cannot be asked, or its answer is not one.
pub async fn facts(host: &Host) -> Result<Facts, HostError> {
    let script = Script::new(include_str!("facts.sh")).set("tools", TOOLS.join(" "));
    let output = host.must(WHAT, &script, LIMITS).await.map_err(|error| match error {
        HostError::Bounds(failure) if failure.hint.is_none() => {
            let hint =
                "the login worked, and then its shell did not answer as one does; try `ssh` there by hand";
            HostError::Bounds(failure.hint(hint))
        }
        error => error,
    })?;
    read(&output.fields())
}

fn read(fields: &[Option<String>]) -> Result<Facts, HostError> {
    let unusable = |why: &str| HostError::Failed { what: WHAT.to_owned(), status: 65, said: why.to_owned() };
    let mut facts = Facts::default();
    let mut spare = String::new();
    for pair in fields.chunks_exact(2) {
        let [Some(key), Some(value)] = pair else { return Err(unusable("it is not UTF-8")) };
        match key.as_str() {
            "host_keys" | "board" if spare.is_empty() => spare = value.trim().to_owned(),
            _ => apply(&mut facts, key, value),
        }
    }
    // While a system is installed there may stand a word in the place of the id.
    if !facts.machine_id.bytes().all(|c| c.is_ascii_hexdigit()) {
        facts.machine_id.clear();
    }
    if facts.machine_id.is_empty() && !spare.is_empty() {
        facts.machine_id = sum(&spare);
    }
    if facts.machine_id.is_empty() {
        return Err(unusable(
            "nothing there tells it from other hosts: no /etc/machine-id, no SSH host keys, no id of the board",
        ));
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
        "uptime" => facts.uptime = text.parse().ok(),
        "has_systemd" => facts.has_systemd = text == "1",
        "uid" => facts.is_root = text == "0",
        "user" => facts.user = text,
        "tool" => facts.tools.push(text),
        "run_free_kib" => facts.run_free_kib = text.parse().ok(),
        "lasting_free_kib" => {
            let free = text.parse().unwrap_or(0);
            facts.lasting_free_kib = Some(facts.lasting_free_kib.map_or(free, |least| least.min(free)));
        }
        "lasting_writable" => facts.is_lasting_writable = text == "1",
        "own_cgroup" => {
            let new = units_of(&text).into_iter().filter(|unit| !facts.own_units.contains(unit));
            let new: Vec<_> = new.collect();
            facts.own_units.extend(new);
        }
        "ssh_connection" => {
            facts.peer = peer(&text);
            facts.address = text.split(' ').nth(2).unwrap_or_default().to_owned();
        }
        _ => {}
    }
}

/// Makes something of the length of a machine id from what may be long.
fn sum(text: &str) -> String {
    Sha256::digest(text).iter().take(16).fold(String::new(), |mut sum, byte| {
        // Writing to a text cannot fail.
        let _ = write!(sum, "{byte:02x}");
        sum
    })
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
