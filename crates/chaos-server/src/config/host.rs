//! One host, and how to log in to it.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;

use chaos_core::Secret;
use chaos_host::transport::ssh::{self, KeyFile};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::is_reference;
use super::values::is_fingerprint;

/// Declares a struct with the keys that a host and the defaults for all hosts share, so that they stand here once.
macro_rules! with_login_keys {
    ($(#[$attribute:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($own)*
            /// The port of the SSH server. Default: what `~/.ssh/config` says, else 22.
            pub port: Option<NonZeroU16>,
            /// Who to log in as. Default: what `~/.ssh/config` says, else the name of the user that runs `chaos`.
            pub username: Option<String>,
            /// How to log in. Default: as `ssh` does, with what `~/.ssh/config` names, the agent and the usual keys.
            pub auth: Option<Auth>,
            /// Which key the host must show: `strict` (one that `known_hosts` has), `accept_new` (the same, but the key of a host that
            /// is not in there yet is accepted, and added before a fault acts there), or the fingerprint of its key, as `ssh-keygen -l` prints it: `SHA256:…`. A key that
            /// changed is always refused. Default: `strict`.
            pub host_key: Option<String>,
            /// The file with the keys of known hosts. Default: what `~/.ssh/config` says, else `~/.ssh/known_hosts` and
            /// `/etc/ssh/ssh_known_hosts`.
            pub known_hosts: Option<String>,
            /// The configuration of the SSH client that is obeyed (`HostName`, `User`, `Port`, `IdentityFile`, `ProxyJump`, …), or
            /// `none`. Default: `~/.ssh/config`.
            pub ssh_config: Option<String>,
            /// The longest that connecting may take, each of the way's hosts by itself. From `100ms` to `5m`. Default: `5s`.
            pub connect_timeout: Option<String>,
            /// How to become root there: `none` or `sudo`. Nearly every fault needs root. Default: `none`.
            #[serde(rename = "become")]
            pub become_root: Option<BecomeMethod>,
            /// The password that `sudo` asks for, better as `${VAR}` or `file:/path`. Default: `sudo` must ask for none.
            #[serde(default, deserialize_with = "secret")]
            #[schemars(with = "Option<String>")]
            pub become_password: Option<Secret>,
            /// `ssh`, or `local`: this very machine, without a login. Default: `ssh`.
            pub connection: Option<Connection>,
            /// The name or id of a container on the host that the faults act on in place of the host: `shop-db-1`.
            pub container: Option<String>,
            /// What runs the container: `docker`, `podman`, `nerdctl`, or `auto`: the one that knows it. Default: `auto`.
            pub container_engine: Option<ContainerEngine>,
            /// What `select` can choose by: `{role: web, zone: a}`.
            #[serde(default)]
            pub labels: BTreeMap<String, String>,
        }
    };
}

with_login_keys! {
    /// One host.
    HostConfig {
        /// Its name, as DNS or `~/.ssh/config` knows it, or its address: `web-1.example.com`, `10.0.1.50`, `fd00::5`.
        pub host: String,
        /// What to call it in plans and reports, and what policy knows it by beside its address. Default: `host`, with the
        /// port where one is given, and the container.
        pub name: Option<String>,
        /// Variables of the environment that the SSH configuration names. Nobody writes them: a run hands them to its guardian.
        #[serde(default)]
        #[schemars(skip)]
        pub ssh_variables: BTreeMap<String, String>,
    }
}

with_login_keys! {
    /// What holds for every host that does not say it itself.
    HostDefaults {}
}

/// How to log in.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// `key`, `certificate`, `agent` or `password`.
    #[serde(rename = "type")]
    pub kind: AuthType,
    /// For `key` and `certificate`: the file with the private key. Default: `~/.ssh/id_ed25519`.
    pub private_key_path: Option<String>,
    /// For `key` and `certificate`: what the private key is locked with, better as `${VAR}` or `file:/path`.
    #[serde(default, deserialize_with = "secret")]
    #[schemars(with = "Option<String>")]
    pub passphrase: Option<Secret>,
    /// For `certificate`: the file with the certificate. Default: the private key's, with `-cert.pub` behind it.
    pub certificate_path: Option<String>,
    /// For `agent`: the socket of the agent. Default: the one of `SSH_AUTH_SOCK`.
    pub socket: Option<String>,
    /// For `agent`: only the key with this fingerprint, `SHA256:…`. Default: each key that the agent has.
    pub fingerprint: Option<String>,
    /// For `password`: the password, better as `${VAR}` or `file:/path`.
    #[serde(default, deserialize_with = "secret")]
    #[schemars(with = "Option<String>")]
    pub password: Option<Secret>,
}

/// A way to log in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    /// With a private key of a file.
    #[default]
    Key,
    /// With a private key and a certificate for it.
    Certificate,
    /// With the keys of an agent.
    Agent,
    /// With a password.
    Password,
}

/// A way to become root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BecomeMethod {
    /// Act as who logged in.
    #[default]
    None,
    /// Through `sudo`.
    Sudo,
}

/// A way to a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// Over SSH.
    #[default]
    Ssh,
    /// This very machine.
    Local,
}

/// What runs containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerEngine {
    /// The one that knows the container.
    #[default]
    Auto,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// containerd, by nerdctl.
    Nerdctl,
}

impl HostConfig {
    /// Returns the host with what it does not say itself taken from `defaults`.
    pub(crate) fn over(self, defaults: &HostDefaults) -> Self {
        let defaults = defaults.clone();
        let mut labels = defaults.labels;
        labels.extend(self.labels);
        Self {
            host: self.host,
            name: self.name,
            ssh_variables: self.ssh_variables,
            port: self.port.or(defaults.port),
            username: self.username.or(defaults.username),
            auth: self.auth.or(defaults.auth),
            host_key: self.host_key.or(defaults.host_key),
            known_hosts: self.known_hosts.or(defaults.known_hosts),
            ssh_config: self.ssh_config.or(defaults.ssh_config),
            connect_timeout: self.connect_timeout.or(defaults.connect_timeout),
            become_root: self.become_root.or(defaults.become_root),
            become_password: self.become_password.or(defaults.become_password),
            connection: self.connection.or(defaults.connection),
            container: self.container.or(defaults.container),
            container_engine: self.container_engine.or(defaults.container_engine),
            labels,
        }
    }

    /// Returns what to call it.
    pub(crate) fn title(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let host = match self.port.map(NonZeroU16::get) {
            None | Some(22) => bare.to_owned(),
            Some(port) if bare.contains(':') => format!("[{bare}]:{port}"),
            Some(port) => format!("{bare}:{port}"),
        };
        match &self.container {
            Some(container) => format!("{host}/{container}"),
            None => host,
        }
    }

    /// Returns what differs for every other host, and is the same for two entries of the same one.
    pub(crate) fn key(&self) -> (String, u16, Option<String>) {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
        (bare, self.port.map_or(22, NonZeroU16::get), self.container.clone())
    }
}

impl ContainerEngine {
    /// Returns the programs to ask.
    pub(crate) fn programs(self) -> &'static str {
        match self {
            Self::Auto => "docker podman nerdctl",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Nerdctl => "nerdctl",
        }
    }
}

/// Why keys of `auth` do not fit each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WrongAuth {
    /// A key that this type has no use for.
    #[error("`auth` of type `{kind}` takes no `{key}`")]
    Stray { kind: &'static str, key: &'static str },
    /// No password.
    #[error("`auth` of type `password` needs a `password`")]
    NoPassword,
    /// Something that is no fingerprint.
    #[error("`{0}` is no fingerprint; `ssh-add -l` prints them: `SHA256:` and 43 characters")]
    Fingerprint(String),
}

/// The key that `auth` of type `key` means when it names none.
pub(super) const USUAL_KEY: &str = "~/.ssh/id_ed25519";

impl Auth {
    /// Returns the way to log in.
    pub(crate) fn login(&self) -> Result<ssh::Auth, WrongAuth> {
        self.refuse_strays()?;
        let key =
            || KeyFile::new(self.private_key_path.as_deref().unwrap_or(USUAL_KEY), self.passphrase.clone());
        Ok(match self.kind {
            AuthType::Key => ssh::Auth::Key(key()),
            AuthType::Certificate => ssh::Auth::Key(key().certificate(self.certificate())),
            AuthType::Agent => {
                let socket = self.socket.as_ref().map(PathBuf::from);
                ssh::Auth::Agent { socket, fingerprint: self.fingerprint()? }
            }
            AuthType::Password => ssh::Auth::Password(self.password.clone().ok_or(WrongAuth::NoPassword)?),
        })
    }

    fn fingerprint(&self) -> Result<Option<String>, WrongAuth> {
        match &self.fingerprint {
            Some(text) if !is_reference(text) && !is_fingerprint(text) => {
                Err(WrongAuth::Fingerprint(text.clone()))
            }
            fingerprint => Ok(fingerprint.clone()),
        }
    }

    fn certificate(&self) -> PathBuf {
        let beside = || format!("{}-cert.pub", self.private_key_path.as_deref().unwrap_or(USUAL_KEY));
        PathBuf::from(self.certificate_path.clone().unwrap_or_else(beside))
    }

    fn refuse_strays(&self) -> Result<(), WrongAuth> {
        use AuthType::{Agent, Certificate, Key, Password};
        let keys: [(&'static str, bool, &[AuthType]); 6] = [
            ("private_key_path", self.private_key_path.is_some(), &[Key, Certificate]),
            ("passphrase", self.passphrase.is_some(), &[Key, Certificate]),
            ("certificate_path", self.certificate_path.is_some(), &[Certificate]),
            ("socket", self.socket.is_some(), &[Agent]),
            ("fingerprint", self.fingerprint.is_some(), &[Agent]),
            ("password", self.password.is_some(), &[Password]),
        ];
        let stray = keys.into_iter().find(|(_, is_there, kinds)| *is_there && !kinds.contains(&self.kind));
        let kind = match self.kind {
            Key => "key",
            Certificate => "certificate",
            Agent => "agent",
            Password => "password",
        };
        stray.map_or(Ok(()), |(key, _, _)| Err(WrongAuth::Stray { kind, key }))
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}
