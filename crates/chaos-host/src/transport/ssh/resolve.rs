//! Puts together what the caller says, what the user's SSH configuration says, and OpenSSH's defaults.

mod hop;
mod jump;
mod tokens;
mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chaos_core::Failure;
use russh::keys::agent::AgentIdentity;
use russh::keys::ssh_key::public::KeyData;

use super::config::{Auth, HostKey, SshConfig};
use super::user_config::Files;
use crate::error::HostError;
use variables::Variables;

/// The way to a machine: every host on it, the machine itself last.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) hops: Vec<Hop>,
    pub(crate) notes: Vec<String>,
    /// The variables of the environment that the user's SSH configuration names for it.
    pub(crate) variables: BTreeMap<String, String>,
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
    /// What to log in with that cannot be had here, and why.
    pub(crate) left_out: Vec<String>,
    pub(crate) host_key: HostKey,
    /// The name it has in the files of known hosts, and the port that belongs to it there.
    pub(crate) known_as: (String, u16),
    pub(crate) known_hosts: Vec<PathBuf>,
    pub(crate) connect_timeout: Duration,
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_v6 = self.host.contains(':');
        let (open, close) = if is_v6 { ("[", "]") } else { ("", "") };
        write!(f, "{}@{open}{}{close}:{}", self.user, self.host, self.port)
    }
}

/// One thing to log in with.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) auth: Auth,
    /// Named by the caller. What is only found in passing may be missing or unusable.
    pub(crate) is_asked_for: bool,
    /// Of an agent's keys, those to try first.
    pub(crate) first: Vec<KeyData>,
    /// Of an agent's keys, only those.
    pub(crate) only_these: bool,
}

impl Identity {
    fn asked_for(auth: &Auth) -> Self {
        Self { auth: auth.clone(), is_asked_for: true, first: Vec::new(), only_these: false }
    }

    fn found(auth: Auth) -> Self {
        Self { auth, is_asked_for: false, first: Vec::new(), only_these: false }
    }

    /// Returns the keys of an agent to try, in their order.
    pub(crate) fn chosen(&self, mut keys: Vec<AgentIdentity>) -> Vec<AgentIdentity> {
        let is_first = |key: &AgentIdentity| self.first.contains(key.public_key().key_data());
        if self.only_these {
            keys.retain(is_first);
        }
        keys.sort_by_key(|key| !is_first(key));
        keys
    }
}

/// Finds the way. Reads files.
pub(crate) fn route(config: &SshConfig) -> Result<Route, HostError> {
    if config.host.is_empty() || config.host.starts_with('-') || config.host.contains(char::is_whitespace) {
        let failure = Failure::new(format!("connect to `{}`", config.host));
        return Err(HostError::Refused(failure.source("this is no name of a host")));
    }
    let files = Files::read(&config.user_config)?;
    let mut notes = Vec::new();
    let variables = Variables::new(&config.variables);
    let found = files.find(&config.host, config.username.as_deref())?;
    let mut hops = jump::hops(&files, &found, &config.host, 0, &variables, &mut notes)?;
    hops.push(hop::build(config, found, &variables, &mut notes)?);
    Ok(Route { hops, notes, variables: variables.used() })
}
