//! What tests read to find the hosts: one JSON file, a client configuration and known hosts.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{HOSTS, Host, Init, keys, network, virtual_machine};
use crate::Outcome;
use crate::env::state;
use crate::failure::Context;

/// The password of the one user who has one, as `setup.sh` sets it.
const PASSWORD: &str = "correct horse";

/// Returns the file that describes the hosts.
pub fn path() -> PathBuf {
    state("host/hosts.json")
}

/// Returns a client configuration that knows every host by name, as root.
pub fn ssh_config() -> PathBuf {
    state("host/ssh_config")
}

fn known_hosts() -> PathBuf {
    state("host/known_hosts")
}

/// Writes the description of all hosts.
pub fn write() -> Outcome {
    let peers = network::PEER_NAMES
        .map(|(name, address, ipv6)| json!({"name": name, "address": address, "ipv6": ipv6}));
    let inventory = json!({
        "bridge": network::BRIDGE,
        "gateway": network::GATEWAY,
        "resolver": network::PEER_NAMES[0].1,
        "peer_netns": network::PEER,
        "peers": peers,
        "ssh_config": ssh_config(),
        "known_hosts": known_hosts(),
        "keys": {
            "ed25519": keys::path("id_ed25519"),
            "with_passphrase": keys::path("id_passphrase"),
            "passphrase": keys::PASSPHRASE,
            "ecdsa": keys::path("id_ecdsa"),
            "rsa": keys::path("id_rsa"),
            "certified": keys::path("id_certified"),
            "certificate": keys::path("id_certified-cert.pub"),
            "stranger": keys::path("id_stranger"),
        },
        "hosts": HOSTS.iter().map(describe).collect::<Vec<_>>(),
    });
    replace(&path(), &format!("{inventory:#}\n"))
}

fn describe(host: &Host) -> Value {
    let (init, port_many, users) = match host.init {
        Init::Systemd => ("systemd", json!(2222), debian_users()),
        Init::Virtual => ("virtual", json!(2222), debian_users()),
        Init::BusyBox => ("busybox", Value::Null, json!({"root": {}, "plain": {}})),
    };
    // A virtual machine has no namespaces that could be entered, so it is asked.
    let agent = if host.init == Init::Virtual { json!(virtual_machine::agent(host)) } else { Value::Null };
    json!({
        "name": host.name,
        "init": init,
        "address": host.address(),
        "ipv6": host.ipv6(),
        "many": host.many(),
        "port": 22,
        "port_many": port_many,
        "users": users,
        "folder": host.folder(),
        "agent": agent,
        "veth": host.veth(),
    })
}

fn debian_users() -> Value {
    json!({
        "root": {},
        "chaos": {"sudo": "without password"},
        "chaospw": {"sudo": "with password", "password": PASSWORD},
        "plain": {},
        "noisy": {"shell": "prints noise"},
        "hang": {"shell": "hangs after login"},
        "nologin": {"shell": "refuses"},
    })
}

/// Writes what an SSH client needs.
pub fn write_client_files() -> Outcome {
    let mut known = String::new();
    let mut config = format!(
        "Host th?\n    User root\n    IdentityFile {}\n    IdentitiesOnly yes\n    UserKnownHostsFile {}\n    \
         GlobalKnownHostsFile /dev/null\n    StrictHostKeyChecking yes\n    BatchMode yes\n    LogLevel ERROR\n",
        keys::path("id_ed25519").display(),
        known_hosts().display(),
    );
    for host in HOSTS {
        known.push_str(&keys::known_hosts(host.name, host.init, &[host.address(), host.ipv6()])?);
        config.push_str(&format!("Host {}\n    HostName {}\n", host.name, host.address()));
    }
    replace(&known_hosts(), &known)?;
    replace(&ssh_config(), &config)
}

/// Replaces a file at once: somebody may be reading it.
fn replace(path: &Path, text: &str) -> Outcome {
    let what = || format!("write `{}`", path.display());
    let partial = path.with_extension("partial");
    fs::write(&partial, text).context(what)?;
    fs::rename(&partial, path).context(what)
}
