//! `ProxyJump`: the hosts that are passed on the way.

use chaos_core::Failure;

use super::variables::Variables;
use super::{Hop, hop};
use crate::error::HostError;
use crate::transport::ssh::config::SshConfig;
use crate::transport::ssh::user_config::{Files, Found};

/// How many hosts a way may pass.
const HOPS_MAX: usize = 8;

/// Returns the hosts to pass, the first one first. Each has the user's configuration for it and nothing of the target's: a
/// password or key meant for one host is not shown to another.
pub(super) fn hops(
    files: &Files,
    found: &Found,
    target: &str,
    depth: usize,
    variables: &Variables<'_>,
    notes: &mut Vec<String>,
) -> Result<Vec<Hop>, HostError> {
    let Some(value) = found.one("proxyjump").filter(|value| !value.eq_ignore_ascii_case("none")) else {
        return Ok(Vec::new());
    };
    let refused = |why: String| {
        HostError::Refused(Failure::new(format!("follow `ProxyJump {value}` of `{target}`")).source(why))
    };
    if depth >= HOPS_MAX {
        return Err(refused("the way goes in a circle, or through too many hosts".to_owned()));
    }
    let mut hops = Vec::new();
    for (index, part) in value.split(',').enumerate() {
        let config =
            parse(part.trim()).ok_or_else(|| refused(format!("`{part}` is no [user@]host[:port]")))?;
        let found = files.find(&config.host, config.username.as_deref())?;
        // Only the first host may have hosts before it: the others are reached through it.
        if index == 0 {
            hops = self::hops(files, &found, &config.host, depth + 1, variables, notes)?;
        }
        hops.push(hop::build(&config, found, variables, notes)?);
    }
    if hops.len() > HOPS_MAX {
        return Err(refused(format!("it passes more than {HOPS_MAX} hosts")));
    }
    Ok(hops)
}

/// Reads `[user@]host[:port]` or `ssh://` before it.
fn parse(text: &str) -> Option<SshConfig> {
    let text = text.strip_prefix("ssh://").unwrap_or(text).trim_end_matches('/');
    let (user, place) = match text.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, text),
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, after.strip_prefix(':'))
        }
        // More than one colon and no brackets: an address without a port.
        None if place.matches(':').count() > 1 => (place, None),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() || user.is_some_and(str::is_empty) {
        return None;
    }
    let port = match port {
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    Some(SshConfig { username: user.map(str::to_owned), port, ..SshConfig::new(host) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Option<u16>, Option<String>)> {
        parse(text).map(|config| (config.host, config.port, config.username))
    }

    #[test]
    fn a_hop_is_read_in_all_its_forms() {
        let me = || Some("me".to_owned());
        assert_eq!(parsed("gate"), Some(("gate".to_owned(), None, None)));
        assert_eq!(parsed("me@gate:2200"), Some(("gate".to_owned(), Some(2200), me())));
        assert_eq!(parsed("ssh://me@gate:22/"), Some(("gate".to_owned(), Some(22), me())));
        assert_eq!(parsed("me@[fe80::1%eth0]:22"), Some(("fe80::1%eth0".to_owned(), Some(22), me())));
        assert_eq!(parsed("2001:db8::1"), Some(("2001:db8::1".to_owned(), None, None)));
        assert_eq!(parsed("gate:ssh"), None);
        assert_eq!(parsed("@gate"), None);
    }
}
