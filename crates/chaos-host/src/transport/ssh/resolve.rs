//! Puts together what the caller says and what defaults say.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chaos_core::Failure;
use russh::keys::agent::AgentIdentity;

use super::config::{Auth, HostKey, SshConfig};
use super::home;
use super::key_file::KeyFile;
use crate::error::HostError;

/// The longest that connecting may take if nobody says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to a machine: every host on it, the machine itself last.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) hops: Vec<Hop>,
    pub(crate) notes: Vec<String>,
}

impl Route {
    /// Returns the machine itself.
    pub(crate) fn target(&self) -> &Hop {
        match self.hops.last() {
            Some(hop) => hop,
            None => unreachable!("a route has at least its target"),
        }
    }
}

/// One host on the way, with all that is needed to log in to it.
#[derive(Debug, Clone)]
pub(crate) struct Hop {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) identities: Vec<Identity>,
    pub(crate) host_key: HostKey,
    /// The name it has in the files of known hosts.
    pub(crate) known_as: String,
    pub(crate) known_hosts: Vec<PathBuf>,
    pub(crate) connect_timeout: Duration,
}

/// One thing to log in with.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) auth: Auth,
    /// Named by the caller. What is only found in passing may be missing or unusable.
    pub(crate) is_asked_for: bool,
}

impl Identity {
    /// Returns whether a key of the agent may be tried.
    pub(crate) fn takes(&self, _key: &AgentIdentity) -> bool {
        true
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_v6 = self.host.contains(':');
        let (open, close) = if is_v6 { ("[", "]") } else { ("", "") };
        write!(f, "{}@{open}{}{close}:{}", self.user, self.host, self.port)
    }
}

/// Finds the way.
pub(crate) async fn route(config: &SshConfig) -> Result<Route, HostError> {
    let host = config.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let user = config.username.clone().or_else(home::user).ok_or_else(|| {
        HostError::Refused(Failure::new("find out who the current user is").hint("give `username`"))
    })?;
    let known_hosts = if config.known_hosts.is_empty() {
        home::ssh_file("known_hosts").into_iter().chain([PathBuf::from("/etc/ssh/ssh_known_hosts")]).collect()
    } else {
        config.known_hosts.iter().map(|file| home::expand(file)).collect()
    };
    let hop = Hop {
        known_as: host.clone(),
        host,
        port: config.port.unwrap_or(22),
        user,
        identities: identities(&config.auth),
        host_key: config.host_key.clone().unwrap_or(HostKey::Strict),
        known_hosts,
        connect_timeout: config.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
    };
    Ok(Route { hops: vec![hop], notes: Vec::new() })
}

fn identities(asked_for: &[Auth]) -> Vec<Identity> {
    if !asked_for.is_empty() {
        return asked_for.iter().map(|auth| Identity { auth: auth.clone(), is_asked_for: true }).collect();
    }
    let agent = Auth::Agent { socket: None, fingerprint: None };
    let files = ["id_ed25519", "id_ecdsa", "id_rsa"].into_iter().filter_map(home::ssh_file);
    let keys = files.map(|path| Auth::Key(KeyFile::new(path, None)));
    std::iter::once(agent).chain(keys).map(|auth| Identity { auth, is_asked_for: false }).collect()
}
