//! The hosts that the SSH client's configuration names.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::Path;

use chaos_core::FaultError;
use globset::{Glob, GlobSet, GlobSetBuilder};
use serde_json::{Map, Value};
use ssh2_config::{ParseRule, SshConfig};

use super::{Found, List, text, unreadable};
use crate::config::{HostDefaults, absolute};

/// Where the configuration is that `ssh` reads.
const USUAL: &str = "~/.ssh/config";

/// Finds the hosts whose names match one of `patterns`, which stand between spaces.
pub(super) fn read(
    patterns: &str,
    defaults: &HostDefaults,
    directory: Option<&Path>,
) -> Result<List, FaultError> {
    let path = match defaults.ssh_config.as_deref() {
        Some(path) if path != "none" => absolute(path, directory),
        Some(_) | None => absolute(USUAL, None),
    };
    let text = text(&path)?;
    // OpenSSH itself knows more words than the library does, and they matter to nobody here.
    let rules = ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS;
    let config = SshConfig::default().parse(&mut BufReader::new(text.as_bytes()), rules);
    let config = config.map_err(|error| unreadable(&path, error.to_string()))?;
    let wanted = matcher(patterns).map_err(|why| unreadable(&path, why))?;
    let mut seen = BTreeSet::new();
    let mut list = List::default();
    for clause in config.get_hosts().iter().flat_map(|host| &host.pattern) {
        let name = &clause.pattern;
        let is_name = !clause.negated && !name.contains(['*', '?']);
        if is_name && wanted.is_match(name) && seen.insert(name.clone()) {
            list.found.push(Found { place: format!("`{}`", path.display()), host: entry(name, &path) });
        }
    }
    if list.found.is_empty() {
        return Err(unreadable(&path, format!("it names no host that matches `{patterns}`")));
    }
    Ok(list)
}

fn entry(name: &str, path: &Path) -> Map<String, Value> {
    let mut host = Map::new();
    host.insert("host".to_owned(), name.into());
    if path != absolute(USUAL, None) {
        host.insert("ssh_config".to_owned(), path.to_string_lossy().into());
    }
    host
}

fn matcher(patterns: &str) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns.split_whitespace() {
        set.add(Glob::new(pattern).map_err(|error| format!("`{pattern}` is no pattern: {}", error.kind()))?);
    }
    set.build().map_err(|error| error.to_string())
}
