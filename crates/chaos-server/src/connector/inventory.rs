//! Lists of hosts that stand elsewhere.

mod ansible;
mod hosts_file;
mod ssh_config;

use std::io::Read;
use std::num::NonZeroU16;
use std::path::Path;

use chaos_core::{Failure, FaultError};
use serde_json::{Map, Value};

use crate::config::{HostDefaults, Source, absolute};

/// A list of ten thousand hosts with their variables has less.
const FILE_MAX: u64 = 4 << 20;

/// A list that was read.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Its hosts, in its order.
    pub(super) found: Vec<Found>,
    /// What of it was left out, for people.
    pub(super) notes: Vec<String>,
}

/// A host of a list.
#[derive(Debug)]
pub(super) struct Found {
    /// Where it stands: `hosts.txt, line 3`.
    pub(super) place: String,
    /// What the list says of it, by the keys of a host's configuration.
    pub(super) host: Map<String, Value>,
}

/// Reads a list.
///
/// # Errors
/// When it cannot be read or understood, or has no host.
pub(super) fn read(
    source: &Source,
    defaults: &HostDefaults,
    directory: Option<&Path>,
) -> Result<List, FaultError> {
    let mut list = match (&source.file, &source.ssh_config, &source.ansible) {
        (Some(file), _, _) => hosts_file::read(&absolute(file, directory))?,
        (_, Some(patterns), _) => ssh_config::read(patterns, defaults, directory)?,
        (_, _, Some(file)) => {
            ansible::read(&absolute(file, directory), source.group.as_deref().unwrap_or("all"))?
        }
        (None, None, None) => List::default(),
    };
    let labels: Map<_, _> =
        source.labels.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    if !labels.is_empty() {
        let labels = Value::Object(labels);
        list.found.iter_mut().for_each(|found| drop(found.host.insert("labels".to_owned(), labels.clone())));
    }
    Ok(list)
}

/// Reads a file of hosts as text.
fn text(path: &Path) -> Result<String, FaultError> {
    let failed = |error: std::io::Error| unreadable(path, error.to_string());
    let file = std::fs::File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(unreadable(path, "it is a directory; name one file of it".to_owned()));
    }
    let mut text = String::new();
    file.take(FILE_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_MAX {
        return Err(unreadable(path, format!("it is larger than {} MiB", FILE_MAX >> 20)));
    }
    Ok(text)
}

/// Makes the error of a list that cannot be used.
fn unreadable(path: &Path, why: String) -> FaultError {
    FaultError::Params(Failure::new(format!("read the hosts of `{}`", path.display())).source(why))
}

/// Takes `host`, `host:port`, `[address]` and `[address]:port` apart. An IPv6 address without brackets has no port.
fn host_and_port(text: &str) -> Result<(String, Option<NonZeroU16>), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None => return Err(format!("`{text}`: only a port stands behind brackets")),
        },
        None if text.matches(':').count() == 1 => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
        None => (text, None),
    };
    let port = port.map(|port| port.parse().map_err(|_| format!("`{port}` is no port, which is 1 to 65535")));
    Ok((host.to_owned(), port.transpose()?))
}

#[cfg(test)]
mod tests;
