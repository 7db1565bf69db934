//! Connects to one host and asks it who it is.

use std::sync::Arc;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Failure, FaultError, TargetIdentity};
use chaos_host::transport::Transport;
use chaos_host::transport::local::Local;
use chaos_host::transport::ssh::{Ssh, SshConfig, UserConfig};
use chaos_host::{Become, Host, HostError};

use super::container;
use crate::config::{BecomeMethod, Connection, HostConfig, ServerConfig, absolute, check_host};
use crate::discovery;
use crate::target::{Container, Facts, ServerTarget};

/// A way to a host, and what it is called on that way.
struct Way {
    transport: Arc<dyn Transport>,
    /// `user@host:port`, or `localhost`.
    label: String,
    /// The name or address that was connected to, after the user's SSH configuration had its say.
    address: String,
}

/// Connects to the one host of a configuration.
pub(super) async fn connect(config: ServerConfig) -> Result<ServerTarget, FaultError> {
    let margin = config.margin().map_err(invalid)?;
    let host = the_one(&config)?;
    let way = open(&host).await?;
    let acting = Host::new(Arc::clone(&way.transport), become_root(&host));
    let facts = discovery::facts(&acting).await.map_err(|error| explain(error, &host, &way.label))?;
    let container = match &host.container {
        Some(name) => {
            let engine = host.container_engine.unwrap_or_default();
            Some(container::find(&acting, &way.label, name, engine).await?)
        }
        None => None,
    };
    let identity = identity(&host, &way, &facts, container.as_ref());
    Ok(ServerTarget::new(identity, acting, facts, config.discovery, container).with_margin(margin))
}

fn the_one(config: &ServerConfig) -> Result<HostConfig, FaultError> {
    match config.hosts.as_slice() {
        [host] if config.inventory.is_empty() => {
            let host = host.clone().over(&config.defaults);
            check_host(&host).map_err(invalid)?;
            Ok(host)
        }
        hosts => {
            let count = hosts.len() + config.inventory.len();
            Err(invalid(format!("a connection is to one host, and this names {count} hosts and lists")))
        }
    }
}

fn invalid(why: String) -> FaultError {
    FaultError::Params(Failure::new("use the target_config of a server").source(why))
}

fn become_root(host: &HostConfig) -> Become {
    match host.become_root.unwrap_or_default() {
        BecomeMethod::None => Become::Nobody,
        BecomeMethod::Sudo => Become::Sudo(host.become_password.clone()),
    }
}

async fn open(host: &HostConfig) -> Result<Way, FaultError> {
    match host.connection.unwrap_or_default() {
        Connection::Local => Ok(Way {
            transport: Arc::new(Local),
            label: "localhost".to_owned(),
            address: "localhost".to_owned(),
        }),
        Connection::Ssh => {
            let ssh = Ssh::connect(ssh_config(host)?).await?;
            for note in ssh.notes() {
                tracing::info!(host = %ssh.name(), note, "The SSH configuration was read with a remark.");
            }
            let label = ssh.name();
            let address = address_of(&label).to_owned();
            Ok(Way { transport: Arc::new(ssh), label, address })
        }
    }
}

/// Returns the address in `user@host:port`.
fn address_of(label: &str) -> &str {
    let behind_user = label.rsplit_once('@').map_or(label, |(_, rest)| rest);
    let host = behind_user.rsplit_once(':').map_or(behind_user, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

fn ssh_config(host: &HostConfig) -> Result<SshConfig, FaultError> {
    let auth = host.auth.as_ref().map(|auth| auth.login().map_err(|wrong| invalid(wrong.to_string())));
    let user_config = match host.ssh_config.as_deref() {
        None => UserConfig::Usual,
        Some("none") => UserConfig::None,
        Some(path) => UserConfig::File(absolute(path, None)),
    };
    Ok(SshConfig {
        port: host.port.map(std::num::NonZeroU16::get),
        username: host.username.clone(),
        auth: auth.transpose()?.into_iter().collect(),
        host_key: host.host_key().map_err(invalid)?,
        known_hosts: host.known_hosts.iter().map(|path| absolute(path, None)).collect(),
        user_config,
        connect_timeout: host.timeout().map_err(invalid)?,
        ..SshConfig::new(host.host.clone())
    })
}

/// Says in words what `sudo` said in its own; everything else stays as it is.
fn explain(error: HostError, host: &HostConfig, label: &str) -> FaultError {
    let is_sudo = host.become_root.unwrap_or_default() == BecomeMethod::Sudo;
    let HostError::NotRun(failure) = error else { return error.into() };
    let said = failure.source.as_ref().map(ToString::to_string).unwrap_or_default();
    let hint = [
        ("a password is required", "give `become_password`, or let `sudo` ask for none (`NOPASSWD`)"),
        ("incorrect password", "`become_password` is not the password of this user there"),
        ("no password was provided", "`become_password` is not the password of this user there"),
        ("not in the sudoers", "this user may not use `sudo` there; log in as another one"),
        ("not allowed to", "this user may not run `/bin/sh` with `sudo` there"),
        (
            "must have a tty",
            "`sudo` there wants a terminal; take `requiretty` out of its settings for this user",
        ),
        ("sudo: not found", "there is no `sudo`; log in as root"),
        ("sudo: command not found", "there is no `sudo`; log in as root"),
    ]
    .into_iter()
    .find(|(words, _)| is_sudo && said.contains(words));
    match hint {
        Some((_, hint)) => {
            let what = format!("become root on `{label}`");
            FaultError::Target(Failure::new(what).source(said).hint(hint))
        }
        None => HostError::NotRun(failure).into(),
    }
}

fn identity(host: &HostConfig, way: &Way, facts: &Facts, container: Option<&Container>) -> TargetIdentity {
    let mut names = Vec::new();
    let mut add = |kind: NameKind, name: &str| {
        let name = TargetName::new(kind, name);
        if !name.name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    };
    let given = host.host.trim_start_matches('[').trim_end_matches(']');
    for name in [host.name.as_deref().unwrap_or(given), given, &way.address, &facts.hostname] {
        add(NameKind::Host, name);
    }
    let (mut label, mut fingerprint) = (way.label.clone(), facts.machine_id.clone());
    if let Some(container) = container {
        add(NameKind::Container, &container.name);
        label = format!("{} on {label}", container.name);
        fingerprint = format!("{fingerprint}/{}", container.id);
    }
    TargetIdentity { product: format!("{}, Linux {}", facts.os, facts.kernel), label, fingerprint, names }
}
