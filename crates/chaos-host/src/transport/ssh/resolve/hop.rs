//! All that one host needs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chaos_core::Failure;

use super::tokens::Tokens;
use super::variables::Variables;
use super::{Hop, Identity};
use crate::error::HostError;
use crate::transport::ssh::config::{Auth, HostKey, SshConfig};
use crate::transport::ssh::home;
use crate::transport::ssh::key_file::KeyFile;
use crate::transport::ssh::user_config::Found;

/// The longest that connecting may take if nobody says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that a configuration of SSH may give it: without an answer it is waited for in a rollback too.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// Keys that are tried when none is named, as OpenSSH has them.
const USUAL_KEYS: &[&str] = &["id_ed25519", "id_ecdsa", "id_rsa"];
/// The system's known hosts.
const SYSTEM_KNOWN_HOSTS: &str = "/etc/ssh/ssh_known_hosts";

/// Puts a host together. What `config` says wins over what was `found`.
pub(super) fn build(
    config: &SshConfig,
    found: Found,
    variables: &Variables<'_>,
    notes: &mut Vec<String>,
) -> Result<Hop, HostError> {
    notes.extend(found.notes.iter().cloned());
    let asked = config.host.trim_start_matches('[').trim_end_matches(']');
    let host = match found.one("hostname") {
        Some(name) => Tokens::of_host(asked, variables).fill(name)?,
        None => asked.to_owned(),
    };
    let user = config.username.clone().or_else(|| found.one("user").map(str::to_owned)).or_else(home::user);
    let user = user.ok_or_else(|| {
        HostError::Refused(Failure::new("find out who the current user is").hint("give `username`"))
    })?;
    let port = match (config.port, found.one("port")) {
        (Some(port), _) => port,
        (None, Some(text)) => text.parse().map_err(|_| bad(&found, "port", text))?,
        (None, None) => 22,
    };
    let tokens = Tokens::new(asked, &host, port, &user, variables);
    let no_agent =
        agent_variable(&found).filter(|name| config.auth.is_empty() && variables.get(name).is_none());
    Ok(Hop {
        left_out: no_agent
            .map(|name| format!("agent of `IdentityAgent ${name}` left out: the variable is not set"))
            .into_iter()
            .collect(),
        identities: identities(&config.auth, &found, &tokens, variables)?,
        host_key: host_key(config, &found, notes)?,
        known_as: match found.one("hostkeyalias") {
            // As OpenSSH has it: an alias stands for host and port.
            Some(alias) => (alias.to_owned(), 22),
            None => (host.clone(), port),
        },
        known_hosts: known_hosts(config, &found, &tokens)?,
        connect_timeout: connect_timeout(config, &found)?,
        host,
        port,
        user,
    })
}

fn host_key(config: &SshConfig, found: &Found, notes: &mut Vec<String>) -> Result<HostKey, HostError> {
    if let Some(rule) = &config.host_key {
        return Ok(rule.clone());
    }
    let Some(text) = found.one("stricthostkeychecking") else { return Ok(HostKey::Strict) };
    match text.to_lowercase().as_str() {
        // There is nobody to ask.
        "yes" | "true" | "ask" => Ok(HostKey::Strict),
        "accept-new" => Ok(HostKey::AcceptNew),
        "no" | "false" | "off" => {
            notes.push(
                "`StrictHostKeyChecking no` is taken for `accept-new`: a changed key is refused.".to_owned(),
            );
            Ok(HostKey::AcceptNew)
        }
        _ => Err(bad(found, "stricthostkeychecking", text)),
    }
}

fn known_hosts(config: &SshConfig, found: &Found, tokens: &Tokens<'_>) -> Result<Vec<PathBuf>, HostError> {
    if !config.known_hosts.is_empty() {
        return Ok(config.known_hosts.iter().map(|file| home::expand(file)).collect());
    }
    let usual = [home::ssh_file("known_hosts"), home::ssh_file("known_hosts2")];
    let mut files = paths(found.all("userknownhostsfile"), tokens)?
        .unwrap_or_else(|| usual.into_iter().flatten().collect());
    let system = paths(found.all("globalknownhostsfile"), tokens)?;
    files.extend(system.unwrap_or_else(|| vec![SYSTEM_KNOWN_HOSTS.into()]));
    Ok(files)
}

/// Returns the paths of an option, none where it says `none`, nothing where it is not said.
fn paths(values: &[String], tokens: &Tokens<'_>) -> Result<Option<Vec<PathBuf>>, HostError> {
    match values {
        [] => Ok(None),
        [none] if none.eq_ignore_ascii_case("none") => Ok(Some(Vec::new())),
        values => values.iter().map(|value| path(value, tokens)).collect::<Result<_, _>>().map(Some),
    }
}

fn path(value: &str, tokens: &Tokens<'_>) -> Result<PathBuf, HostError> {
    Ok(home::expand(Path::new(&tokens.fill(value)?)))
}

fn connect_timeout(config: &SshConfig, found: &Found) -> Result<Duration, HostError> {
    if let Some(timeout) = config.connect_timeout {
        return Ok(timeout);
    }
    match found.one("connecttimeout") {
        None => Ok(CONNECT_TIMEOUT),
        Some(none) if none.eq_ignore_ascii_case("none") => Ok(CONNECT_TIMEOUT),
        Some(text) => {
            let (number, unit) = match text.strip_suffix('m') {
                Some(minutes) => (minutes, 60),
                None => (text.strip_suffix('s').unwrap_or(text), 1),
            };
            let count: u64 = number.parse().map_err(|_| bad(found, "connecttimeout", text))?;
            Ok(Duration::from_secs(count.saturating_mul(unit).max(1)).min(CONNECT_TIMEOUT_MAX))
        }
    }
}

fn identities(
    asked_for: &[Auth],
    found: &Found,
    tokens: &Tokens<'_>,
    variables: &Variables<'_>,
) -> Result<Vec<Identity>, HostError> {
    if !asked_for.is_empty() {
        return Ok(asked_for.iter().map(Identity::asked_for).collect());
    }
    let certificates = paths(found.all("certificatefile"), tokens)?.unwrap_or_default();
    let configured = paths(found.all("identityfile"), tokens)?;
    let usual = || USUAL_KEYS.iter().filter_map(|name| home::ssh_file(name)).collect();
    let files: Vec<KeyFile> = configured
        .unwrap_or_else(usual)
        .into_iter()
        .map(|path| KeyFile::new(path, None).candidates(certificates.clone()))
        .collect();
    let mut identities = Vec::new();
    if let Some(socket) = agent(found, tokens, variables)? {
        let mut agent = Identity::found(Auth::Agent { socket, fingerprint: None });
        agent.first = files.iter().filter_map(KeyFile::public).map(|key| key.key_data().clone()).collect();
        agent.only_these = found.is_on("identitiesonly");
        identities.push(agent);
    }
    identities.extend(files.into_iter().map(|file| Identity::found(Auth::Key(file))));
    Ok(identities)
}

/// Returns where the agent is: `Some(None)` at the usual place, nothing when it must not be asked.
fn agent(
    found: &Found,
    tokens: &Tokens<'_>,
    variables: &Variables<'_>,
) -> Result<Option<Option<PathBuf>>, HostError> {
    if let Some(name) = agent_variable(found) {
        return Ok(variables.get(name).map(|socket| Some(socket.into())));
    }
    match found.one("identityagent") {
        None | Some("SSH_AUTH_SOCK") => Ok(Some(None)),
        Some(none) if none.eq_ignore_ascii_case("none") => Ok(None),
        Some(socket) => Ok(Some(Some(path(socket, tokens)?))),
    }
}

/// Returns the variable that says where the agent is: `$NAME`.
fn agent_variable(found: &Found) -> Option<&str> {
    found.one("identityagent")?.strip_prefix('$').filter(|name| !name.starts_with('{'))
}

fn bad(found: &Found, key: &str, value: &str) -> HostError {
    let place = found.place(key);
    HostError::Refused(
        Failure::new(format!("follow `{key} {value}` in {place}")).source("this value is not understood"),
    )
}
