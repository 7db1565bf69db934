//! What can be known of a configuration without connecting.

use std::collections::HashMap;
use std::time::Duration;

use chaos_core::Misfit;
use chaos_host::transport::ssh::HostKey;
use globset::Glob;

use super::host::{BecomeMethod, HostConfig};
use super::values::{HostAddress, duration, host_key};
use super::{HostDefaults, ServerConfig, Source, is_reference};

/// The bounds of `connect_timeout`.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// The bounds of `deadline_margin`.
const MARGIN_MIN: Duration = Duration::from_secs(1);
const MARGIN_MAX: Duration = Duration::from_secs(3600);

/// Says what is wrong with `config`. Its texts may be references.
///
/// # Errors
/// When it can never work.
pub(crate) fn check(config: &ServerConfig) -> Result<(), Misfit> {
    let at = |key: &'static str| move |why: String| Misfit::new(why).at(key);
    if config.hosts.is_empty() && config.inventory.is_empty() {
        let why = "there is no host: list some in `hosts`, or say in `inventory` where they are listed";
        return Err(at("hosts")(why.to_owned()));
    }
    check_defaults(&config.defaults).map_err(at("defaults"))?;
    for host in &config.hosts {
        let host = host.clone().over(&config.defaults);
        check_host(&host).map_err(|why| at("hosts")(format!("host `{}`: {why}", host.title())))?;
    }
    refuse_twice(config).map_err(at("hosts"))?;
    config.inventory.iter().try_for_each(check_source).map_err(at("inventory"))?;
    config.select.names.iter().try_for_each(|name| check_pattern(name)).map_err(at("select"))?;
    let excluded = &config.discovery.exclude_services;
    excluded.iter().try_for_each(|name| check_pattern(name)).map_err(at("discovery"))?;
    config.margin().map(drop).map_err(at("deadline_margin"))
}

/// Says what is wrong with one host, to which the defaults are already applied.
pub(crate) fn check_host(host: &HostConfig) -> Result<(), String> {
    if !is_reference(&host.host) {
        host.host.parse::<HostAddress>().map(drop)?;
    }
    if host.name.as_ref().is_some_and(|name| name.trim().is_empty() || name.contains(char::is_control)) {
        return Err("its `name` is empty or holds characters that cannot be shown".to_owned());
    }
    if host.become_password.is_some() && host.become_root.unwrap_or_default() == BecomeMethod::None {
        return Err("`become_password` is of no use without `become: sudo`".to_owned());
    }
    if let Some(container) = host.container.as_ref().filter(|container| !is_reference(container)) {
        check_container(container)?;
    }
    if let Some(auth) = &host.auth {
        auth.login().map_err(|wrong| wrong.to_string())?;
    }
    host.host_key()?;
    host.timeout().map(drop)
}

/// Says what is wrong with one host whose references are resolved: what still looks like one is meant as it stands.
pub(crate) fn check_resolved(host: &HostConfig) -> Result<(), String> {
    host.host.parse::<HostAddress>().map(drop)?;
    host.container.as_deref().map_or(Ok(()), check_container)?;
    if host.become_password.as_ref().is_some_and(|password| password.expose().contains('\n')) {
        return Err("`become_password` holds a line break, and `sudo` reads one line".to_owned());
    }
    check_host(host)
}

fn check_defaults(defaults: &HostDefaults) -> Result<(), String> {
    // A host that says nothing itself has nothing but the defaults. The password may be for hosts that become root themselves.
    let mut host = HostConfig { host: "any".to_owned(), ..HostConfig::default() }.over(defaults);
    host.become_password = None;
    if defaults.container.is_some() {
        return Err("a `container` is of one host".to_owned());
    }
    check_host(&host)
}

fn check_container(name: &str) -> Result<(), String> {
    let is_known = |c: u8| c.is_ascii_alphanumeric() || b"_.-".contains(&c);
    if name.bytes().all(is_known) && name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(format!("`{name}` is no name of a container"))
}

fn check_source(source: &Source) -> Result<(), String> {
    let places = [&source.file, &source.ssh_config, &source.ansible];
    match places.into_iter().flatten().collect::<Vec<_>>().as_slice() {
        [] => {
            return Err("a source says with `file`, `ssh_config` or `ansible` where its hosts are".to_owned());
        }
        [place] if place.trim().is_empty() => return Err("a source is empty".to_owned()),
        [_] => {}
        _ => {
            return Err(
                "one source is one of `file`, `ssh_config` and `ansible`; write several sources".to_owned()
            );
        }
    }
    if source.group.is_some() && source.ansible.is_none() {
        return Err("only an `ansible` inventory has a `group`".to_owned());
    }
    Ok(())
}

fn check_pattern(pattern: &str) -> Result<(), String> {
    if is_reference(pattern) {
        return Ok(());
    }
    Glob::new(pattern).map(drop).map_err(|error| format!("`{pattern}` is no pattern: {}", error.kind()))
}

fn refuse_twice(config: &ServerConfig) -> Result<(), String> {
    let (mut keys, mut titles) = (HashMap::new(), HashMap::new());
    for (place, host) in config.hosts.iter().enumerate() {
        let host = host.clone().over(&config.defaults);
        let first = keys.insert(host.key(), place).or_else(|| titles.insert(host.title(), place));
        if let Some(first) = first {
            let (first, second) = (first + 1, place + 1);
            return Err(format!("`{}` is listed twice, as host {first} and {second}", host.title()));
        }
    }
    Ok(())
}

impl HostConfig {
    /// Returns which key the host must show, where it says so.
    pub(crate) fn host_key(&self) -> Result<Option<HostKey>, String> {
        self.host_key.as_deref().filter(|text| !is_reference(text)).map(host_key).transpose()
    }

    /// Returns the longest that connecting may take, where it says so.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, String> {
        let text = self.connect_timeout.as_deref().filter(|text| !is_reference(text));
        text.map(|text| duration("connect_timeout", text, TIMEOUT_MIN, TIMEOUT_MAX)).transpose()
    }
}

impl ServerConfig {
    /// Returns how long after the hold a host undoes without us.
    pub(crate) fn margin(&self) -> Result<Duration, String> {
        match self.deadline_margin.as_deref().filter(|text| !is_reference(text)) {
            Some(text) => duration("deadline_margin", text, MARGIN_MIN, MARGIN_MAX),
            None => Ok(crate::target::MARGIN),
        }
    }
}
