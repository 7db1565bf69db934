//! The keys of users and hosts, made once and kept, so that known_hosts stays true over a fresh host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{HOSTS, Init};
use crate::Outcome;
use crate::env::state;
use crate::failure::Context;
use crate::process;

/// The passphrase of the one key that has one.
pub const PASSPHRASE: &str = "open sesame";

/// Keys of users: file name, type, passphrase, and whether hosts let them in by themselves.
const USER_KEYS: [(&str, &str, &str, bool); 6] = [
    ("id_ed25519", "ed25519", "", true),
    ("id_passphrase", "ed25519", PASSPHRASE, true),
    ("id_ecdsa", "ecdsa", "", true),
    ("id_rsa", "rsa", "", true),
    // Let in by its certificate only.
    ("id_certified", "ed25519", "", false),
    ("id_stranger", "ed25519", "", false),
];
/// Signs the certificates that hosts accept.
const AUTHORITY: &str = "user_ca";
/// Whom the certificate lets in as.
const PRINCIPALS: &str = "root,chaos,plain";

/// Returns a file among the keys.
pub fn path(name: &str) -> PathBuf {
    state("host/keys").join(name)
}

/// Makes the keys that are missing.
pub fn make() -> Outcome {
    let folder = path("");
    fs::create_dir_all(&folder).context(|| format!("create `{}`", folder.display()))?;
    for (name, kind, passphrase, _) in USER_KEYS {
        generate(name, kind, passphrase)?;
    }
    generate(AUTHORITY, "ed25519", "")?;
    for host in HOSTS {
        for kind in host_key_types(host.init) {
            generate(&host_key(host.name, kind), kind, "")?;
        }
    }
    if path("id_certified-cert.pub").exists() {
        return Ok(());
    }
    process::read(
        Command::new("ssh-keygen")
            .args(["-q", "-I", "world", "-n", PRINCIPALS, "-s"])
            .arg(path(AUTHORITY))
            .arg(path("id_certified.pub")),
    )
    .map(drop)
}

/// Puts into a host's root what its SSH server needs: its own keys and who may enter.
pub fn install(name: &str, init: Init, root: &Path, authorized_keys: &Path) -> Outcome {
    let folder = root.join("etc/ssh");
    fs::create_dir_all(&folder).context(|| format!("create `{}`", folder.display()))?;
    for kind in host_key_types(init) {
        let key = path(&host_key(name, kind));
        copy(&key, &folder.join(format!("ssh_host_{kind}_key")))?;
        copy(&key.with_extension("pub"), &folder.join(format!("ssh_host_{kind}_key.pub")))?;
    }
    let mut text = String::new();
    for (name, ..) in USER_KEYS.iter().filter(|(.., is_let_in)| *is_let_in) {
        text.push_str(&read(&path(&format!("{name}.pub")))?);
    }
    fs::write(authorized_keys, text).context(|| format!("write `{}`", authorized_keys.display()))
}

/// Returns the lines of known_hosts for one host.
pub fn known_hosts(name: &str, init: Init, addresses: &[String]) -> Outcome<String> {
    let mut text = String::new();
    for kind in host_key_types(init) {
        let key = read(&path(&format!("{}.pub", host_key(name, kind))))?;
        let key: Vec<&str> = key.split_whitespace().take(2).collect();
        for address in addresses {
            text.push_str(&format!("{address},[{address}]:2222 {}\n", key.join(" ")));
        }
    }
    Ok(text)
}

/// Returns the public half of the authority.
pub fn authority() -> PathBuf {
    path(&format!("{AUTHORITY}.pub"))
}

fn host_key_types(init: Init) -> &'static [&'static str] {
    match init {
        Init::Systemd | Init::Virtual => &["ed25519", "ecdsa", "rsa"],
        Init::BusyBox => &["ed25519"],
    }
}

fn host_key(name: &str, kind: &str) -> String {
    format!("{name}_{kind}")
}

fn generate(name: &str, kind: &str, passphrase: &str) -> Outcome {
    if path(name).exists() {
        return Ok(());
    }
    process::read(
        Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", passphrase, "-C", name, "-f"])
            .arg(path(name)),
    )
    .map(drop)
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::copy(from, to).map(drop).context(|| format!("copy `{}` to `{}`", from.display(), to.display()))
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).context(|| format!("read `{}`", path.display()))
}
