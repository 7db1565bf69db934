//! The hosts that the SSH client's configuration names.

use std::collections::BTreeSet;
use std::path::Path;

use chaos_core::{Failure, FaultError};
use chaos_host::transport::ssh::{UserConfig, listed_hosts};
use serde_json::{Map, Value};

use super::{Found, List};
use crate::config::{HostDefaults, absolute};

/// Finds the hosts whose names match one of `patterns`, which stand between spaces.
pub(super) fn read(
    patterns: &str,
    defaults: &HostDefaults,
    directory: Option<&Path>,
) -> Result<List, FaultError> {
    let path = defaults.ssh_config.as_deref().filter(|path| *path != "none");
    let path = path.map(|path| absolute(path, directory));
    let config = path.clone().map_or(UserConfig::Usual, UserConfig::File);
    let shown = path.as_deref().map_or_else(|| "~/.ssh/config".to_owned(), |path| path.display().to_string());
    let unreadable = || Failure::new(format!("read the hosts of `{shown}`"));
    let (mut list, mut seen) = (List::default(), BTreeSet::new());
    for pattern in patterns.split_whitespace() {
        let names = listed_hosts(&config, pattern);
        for name in names.map_err(|error| FaultError::Params(unreadable().source(error)))? {
            if seen.insert(name.clone()) {
                list.found.push(Found { place: format!("`{shown}`"), host: entry(&name, path.as_deref()) });
            }
        }
    }
    if list.found.is_empty() {
        let why = format!("it names no host that matches `{patterns}`");
        return Err(FaultError::Params(unreadable().source(why)));
    }
    Ok(list)
}

fn entry(name: &str, path: Option<&Path>) -> Map<String, Value> {
    let mut host = Map::new();
    host.insert("host".to_owned(), name.into());
    if let Some(path) = path {
        host.insert("ssh_config".to_owned(), path.to_string_lossy().into());
    }
    host
}
