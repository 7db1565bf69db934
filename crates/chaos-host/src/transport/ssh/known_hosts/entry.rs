//! One line of a file of known hosts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;

use super::super::user_file;

/// The most bytes of one file of known hosts that are read.
pub(super) const FILE_MAX: u64 = 16 << 20;

/// What a line says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// The host has this key.
    Key,
    /// Certificates of this authority are good for the host.
    Authority,
    /// This key must never be accepted.
    Revoked,
}

/// A line that speaks of the host in question.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) marker: Marker,
    pub(crate) key: KeyData,
    pub(crate) file: Arc<PathBuf>,
    pub(crate) line: usize,
}

impl Entry {
    /// Returns where it stands.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// Returns the name under which a host stands in the files.
pub(crate) fn name(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// Reads the lines of `file` that speak of `name`. A file that is not there has none.
pub(crate) fn read(file: &Path, name: &str) -> std::io::Result<Vec<Entry>> {
    let text = match user_file::read(file, FILE_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let file = Arc::new(file.to_owned());
    let entries = text.split(|byte| *byte == b'\n').enumerate().filter_map(|(index, line)| {
        let line = std::str::from_utf8(line).ok()?;
        let (marker, key) = parse(line, name)?;
        Some(Entry { marker, key, file: Arc::clone(&file), line: index + 1 })
    });
    Ok(entries.collect())
}

/// Reads one line; nothing when it does not speak of `name` or is none of the format. A line nobody can read makes no host
/// known, as with OpenSSH.
pub(crate) fn parse(line: &str, name: &str) -> Option<(Marker, KeyData)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (marker, rest) = match line.split_once([' ', '\t']) {
        Some(("@cert-authority", rest)) => (Marker::Authority, rest),
        Some(("@revoked", rest)) => (Marker::Revoked, rest),
        _ if line.starts_with('@') => return None,
        _ => (Marker::Key, line),
    };
    let (hosts, key) = rest.trim_start().split_once([' ', '\t'])?;
    if !speaks_of(hosts, name) {
        return None;
    }
    let key = PublicKey::from_openssh(key.trim_start()).ok()?;
    Some((marker, key.key_data().clone()))
}

fn speaks_of(hosts: &str, name: &str) -> bool {
    if hosts.starts_with('|') {
        return is_hash_of(hosts, name);
    }
    let mut speaks = false;
    for pattern in hosts.split(',') {
        match pattern.strip_prefix('!') {
            Some(not) if matches(not, name) => return false,
            Some(_) => {}
            None => speaks |= matches(pattern, name),
        }
    }
    speaks
}

/// Returns whether `|1|SALT|HASH` is the hash of `name`.
fn is_hash_of(hashed: &str, name: &str) -> bool {
    let mut parts = hashed.split('|').skip(1);
    let (Some("1"), Some(salt), Some(hash), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Some(salt), Some(hash)) = (decode(salt), decode(hash)) else { return false };
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    ring::hmac::verify(&key, name.as_bytes(), &hash).is_ok()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64.decode(text.as_bytes()).ok()
}

/// Returns whether `text` matches a pattern with `*` and `?`. Case does not matter in names of hosts.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and how much it has taken: a star that took too little takes one more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            p = at + 1;
            t = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
