//! What a caller says of a connection.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chaos_core::Secret;

use super::key_file::KeyFile;

/// How to reach one machine, as far as it is said. What is not said comes from the user's SSH configuration, and then from
/// OpenSSH's defaults.
#[derive(Debug, Clone)]
pub struct SshConfig {
    /// The machine's name or address, or its name in the user's SSH configuration.
    pub host: String,
    /// The port; 22 if nobody says otherwise.
    pub port: Option<u16>,
    /// As whom to log in; the current user if nobody says otherwise.
    pub username: Option<String>,
    /// What to log in with, tried in this order. Empty: the agent, the configured keys, the usual keys.
    pub auth: Vec<Auth>,
    /// Which host key is accepted; [`HostKey::Strict`] if nobody says otherwise.
    pub host_key: Option<HostKey>,
    /// Files of known host keys. Empty: the user's and the system's.
    pub known_hosts: Vec<PathBuf>,
    /// Where the user's SSH configuration is.
    pub user_config: UserConfig,
    /// Variables for the user's configuration, beside those of this process: those of the process that connected first.
    pub variables: BTreeMap<String, String>,
    /// The longest that connecting and logging in may take, for each host on the way; 5 s if nobody says otherwise.
    pub connect_timeout: Option<Duration>,
}

impl SshConfig {
    /// Says only where to.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: None,
            username: None,
            auth: Vec::new(),
            host_key: None,
            known_hosts: Vec::new(),
            user_config: UserConfig::default(),
            variables: BTreeMap::new(),
            connect_timeout: None,
        }
    }
}

/// One way to log in.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A private key, and the certificate beside it if there is one.
    Key(KeyFile),
    /// A running agent.
    Agent {
        /// Its socket; `SSH_AUTH_SOCK` if not said.
        socket: Option<PathBuf>,
        /// Use only the key with this fingerprint, `SHA256:…`.
        fingerprint: Option<String>,
    },
    /// A password, also where the server asks for it in a dialogue.
    Password(Secret),
}

/// Which host key is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKey {
    /// One that is known.
    Strict,
    /// One that is known; for a host nobody knows yet, the first one seen, which is written down.
    AcceptNew,
    /// The one with this fingerprint, `SHA256:…`, and no other.
    Pinned(String),
}

/// Where the user's SSH configuration is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UserConfig {
    /// In `~/.ssh/config` and `/etc/ssh/ssh_config`, where these are.
    #[default]
    Usual,
    /// In this file only.
    File(PathBuf),
    /// None is read.
    None,
}
