//! Connects to one host and asks it who it is.

use std::sync::Arc;
use std::time::Instant;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Failure, FaultError, TargetIdentity};
use chaos_host::transport::Transport;
use chaos_host::transport::local::Local;
use chaos_host::transport::ssh::{Ssh, SshConfig, UserConfig};
use chaos_host::{Become, Host, HostError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::container;
use crate::config::{
    BecomeMethod, Connection, HostConfig, ServerConfig, absolute, check_host, check_resolved,
};
use crate::discovery;
use crate::target::{Container, Facts, ServerTarget};

/// A way to a host, and what it is called on that way.
struct Way {
    transport: Arc<dyn Transport>,
    /// `user@host:port`, or `localhost`.
    label: String,
    /// What was connected to: its name after the user's SSH configuration had its say, and the address behind it.
    names: Vec<String>,
}

/// Connects to the one host of a configuration.
pub(super) async fn connect(config: ServerConfig) -> Result<ServerTarget, FaultError> {
    let margin = config.margin().map_err(invalid)?;
    let host = the_one(&config)?;
    check_resolved(&host).map_err(invalid)?;
    let way = open(&host).await?;
    let acting = Host::new(Arc::clone(&way.transport), become_root(&host));
    let facts = discovery::facts(&acting).await.map_err(|error| on(error, &way.label))?;
    let asked = (host.connection.unwrap_or_default() != Connection::Local).then(Instant::now);
    let container = match &host.container {
        Some(name) => {
            let engine = host.container_engine.unwrap_or_default();
            // One that is gone is no reason to refuse yet: a recovery finds out on the host what became of it.
            Some(container::find(&acting, &way.label, name, engine).await?)
        }
        None => None,
    };
    let identity = identity(&host, &way, &facts, container.as_ref());
    Ok(ServerTarget::new(identity, acting, facts, asked, config.discovery, container).with_margin(margin))
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

/// Adds what the SSH configuration takes from our environment, so that a process with another one connects the same way.
pub(super) fn with_variables(mut config: Value) -> Value {
    let host = ServerConfig::deserialize(&config).ok().and_then(|typed| the_one(&typed).ok());
    let ssh = host.filter(|host| host.connection.unwrap_or_default() == Connection::Ssh);
    let Some(Ok(ssh)) = ssh.as_ref().map(ssh_config) else { return config };
    let variables = chaos_host::transport::ssh::variables(&ssh);
    if let Some(host) = config.pointer_mut("/hosts/0").and_then(Value::as_object_mut)
        && !variables.is_empty()
    {
        host.insert("ssh_variables".to_owned(), json!(variables));
    }
    config
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
            names: vec!["localhost".to_owned()],
        }),
        Connection::Ssh => {
            let ssh = Ssh::connect(ssh_config(host)?).await?;
            for note in ssh.notes() {
                tracing::info!(host = %ssh.name(), note, "The SSH configuration was read with a remark.");
            }
            for accepted in ssh.accepted().await {
                tracing::warn!(
                    accepted,
                    "A host is new, and its key is accepted. It is written down before anything is done there."
                );
            }
            let label = ssh.name();
            let mut names = vec![address_of(&label).to_owned()];
            names.extend(ssh.address().await.map(|address| address.to_string()));
            Ok(Way { transport: Arc::new(ssh), label, names })
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
        variables: host.ssh_variables.clone(),
        connect_timeout: host.timeout().map_err(invalid)?,
        ..SshConfig::new(host.host.clone())
    })
}

/// Names the host in an error that does not do so itself.
fn on(error: HostError, label: &str) -> HostError {
    let name = |what: &mut String| {
        if !what.contains(label) {
            *what = format!("{what} on `{label}`");
        }
    };
    match error {
        HostError::Unreachable(mut failure) => {
            name(&mut failure.what);
            HostError::Unreachable(failure)
        }
        HostError::Refused(mut failure) => {
            name(&mut failure.what);
            HostError::Refused(failure)
        }
        HostError::Bounds(mut failure) => {
            name(&mut failure.what);
            HostError::Bounds(failure)
        }
        HostError::NotRun(mut failure) => {
            name(&mut failure.what);
            HostError::NotRun(failure)
        }
        HostError::Failed { mut what, status, said } => {
            name(&mut what);
            HostError::Failed { what, status, said }
        }
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
    add(NameKind::Host, host.name.as_deref().unwrap_or(given));
    add(NameKind::Host, given);
    // Behind a jump host or a translated address only the host itself knows which of its addresses we came to.
    for name in way.names.iter().chain([&facts.address, &facts.hostname]) {
        add(NameKind::Host, name);
    }
    let (mut label, mut fingerprint) = (way.label.clone(), facts.machine_id.clone());
    if let Some(container) = container {
        add(NameKind::Container, &container.name);
        label = format!("{} on {label}", container.name);
        // By its name: a recovery meets the one that took its place, and its steps know by the id that it is another one.
        fingerprint = format!("{fingerprint}/{}", container.name);
    }
    TargetIdentity { product: format!("{}, Linux {}", facts.os, facts.kernel), label, fingerprint, names }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guardian_gets_the_variables_that_the_ssh_configuration_names() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "Host web\n IdentityFile ${PATH}/key\nHost *\n IdentityAgent $PATH\n")
            .unwrap();
        let config = json!({ "hosts": [{ "host": "web", "ssh_config": file.path() }] });
        let path = std::env::var("PATH").unwrap();
        let handed = with_variables(config.clone());
        assert_eq!(handed["hosts"][0]["ssh_variables"], json!({ "PATH": path }));
        let again = the_one(&ServerConfig::deserialize(&handed).unwrap()).unwrap();
        assert_eq!(ssh_config(&again).unwrap().variables["PATH"], path);
        let without = json!({ "hosts": [{ "host": "web", "ssh_config": "none" }] });
        assert_eq!(with_variables(without.clone()), without);
    }

    #[test]
    fn policy_knows_a_host_by_every_name_and_address_that_led_to_it() {
        let host =
            HostConfig { host: "db".to_owned(), name: Some("shop".to_owned()), ..HostConfig::default() };
        let way = Way {
            transport: Arc::new(Local),
            label: "root@db.example.com:22".to_owned(),
            names: vec!["db.example.com".to_owned(), "192.0.2.7".to_owned()],
        };
        let facts = Facts { hostname: "db-1".to_owned(), address: "10.0.0.5".to_owned(), ..Facts::default() };
        let names = identity(&host, &way, &facts, None).names;
        let names: Vec<_> = names.iter().map(|name| name.name.as_str()).collect();
        assert_eq!(names, ["shop", "db", "db.example.com", "192.0.2.7", "10.0.0.5", "db-1"]);
    }
}
