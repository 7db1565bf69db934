//! A file with one host a line.

use std::path::Path;

use chaos_core::FaultError;
use serde_json::{Map, Value};

use super::{Found, List, host_and_port, text, unreadable};

/// Reads a file with one host a line.
pub(super) fn read(path: &Path) -> Result<List, FaultError> {
    let text = text(path)?;
    let mut list = List::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let number = index + 1;
        let host = parse(line).map_err(|why| unreadable(path, format!("line {number}: {why}")))?;
        list.found.push(Found { place: format!("`{}`, line {number}", path.display()), host });
    }
    if list.found.is_empty() {
        return Err(unreadable(path, "it has no host".to_owned()));
    }
    Ok(list)
}

/// Reads `[user@]host[:port]`.
pub(super) fn parse(line: &str) -> Result<Map<String, Value>, String> {
    if line.contains(char::is_whitespace) {
        return Err(format!("`{line}`: one host stands in a line, as `[user@]host[:port]`"));
    }
    let (user, address) = match line.rsplit_once('@') {
        Some(("", _)) => return Err(format!("`{line}`: no user stands before the `@`")),
        Some((user, address)) => (Some(user), address),
        None => (None, line),
    };
    let (host, port) = host_and_port(address)?;
    let mut found = Map::new();
    found.insert("host".to_owned(), host.into());
    if let Some(user) = user {
        found.insert("username".to_owned(), user.into());
    }
    if let Some(port) = port {
        found.insert("port".to_owned(), port.get().into());
    }
    Ok(found)
}
