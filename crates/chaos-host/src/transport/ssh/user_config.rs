//! The user's SSH configuration: `~/.ssh/config` and `/etc/ssh/ssh_config`.
//!
//! Read by ourselves, because what is not understood must be said and never be misread: a reader that does not know `Match`
//! takes the lines below it for those of the `Host` above.

mod file;
mod query;

pub(crate) use query::Found;

use std::path::{Path, PathBuf};

use file::{Condition, File};

use super::config::UserConfig;
use super::home;
use crate::error::HostError;

/// The system's configuration.
const SYSTEM: &str = "/etc/ssh/ssh_config";

/// All files that were read, in the order in which they count: for each option the first value wins.
#[derive(Debug, Default)]
pub(crate) struct Files(Vec<File>);

impl Files {
    /// Reads what `config` names. Files at the usual places may be missing.
    pub(crate) fn read(config: &UserConfig) -> Result<Self, HostError> {
        let folder = home::dir().map(|home| home.join(".ssh"));
        match config {
            UserConfig::None => Ok(Self::default()),
            UserConfig::File(path) => {
                let base = folder.unwrap_or_else(|| PathBuf::from("/"));
                Ok(Self(vec![File::read(&home::expand(path), &base)?]))
            }
            UserConfig::Usual => {
                let mut files = Vec::new();
                if let Some(folder) = folder {
                    files.extend(File::read_if_there(&folder.join("config"), &folder)?);
                }
                files.extend(File::read_if_there(Path::new(SYSTEM), Path::new("/etc/ssh"))?);
                Ok(Self(files))
            }
        }
    }

    /// Returns what is said of `host`, for somebody who asked for `user` or left that open.
    pub(crate) fn find(&self, host: &str, user: Option<&str>) -> Result<Found, HostError> {
        query::find(&self.0, host, user)
    }

    /// Returns the names of hosts, without patterns, in the order of the files.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for pattern in self.0.iter().flat_map(|file| &file.blocks).flat_map(|block| match &block.condition {
            Condition::Host(patterns) => patterns.as_slice(),
            Condition::Always | Condition::Match(_) => &[],
        }) {
            let is_name = !pattern.contains(['*', '?', '!']);
            if is_name && !names.contains(pattern) {
                names.push(pattern.clone());
            }
        }
        names
    }
}

/// Returns the hosts that the user's SSH configuration names and that match `pattern` (`*` and `?` stand for others), in its
/// order.
///
/// # Errors
/// When the configuration cannot be read.
pub fn listed_hosts(config: &UserConfig, pattern: &str) -> Result<Vec<String>, HostError> {
    let names = Files::read(config)?.names();
    Ok(names.into_iter().filter(|name| super::known_hosts::matches(pattern, name)).collect())
}
