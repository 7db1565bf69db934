//! Keys that an agent holds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chaos_core::Failure;
use russh::MethodKind;
use russh::keys::HashAlg;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::{AgentClient, AgentStream};
use tokio::time::{Instant, timeout_at};

use super::Login;
use crate::error::HostError;
use crate::transport::ssh::home;
use crate::transport::ssh::resolve::Identity;

/// How long before the end of the login an agent is given up, so that the error tells of it and not of the host.
const LAST_WORD: Duration = Duration::from_millis(100);

type Agent = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

impl Login<'_> {
    pub(super) async fn try_agent(
        &mut self,
        socket: Option<&Path>,
        fingerprint: Option<&str>,
        identity: &Identity,
    ) -> Result<bool, HostError> {
        let path = match at(socket) {
            Ok(path) => path,
            Err(failure) if identity.is_asked_for => return Err(HostError::Refused(failure)),
            // Nobody asked for an agent: that there is none is no news.
            Err(_) => return Ok(false),
        };
        let until = self.agent_deadline(identity.is_asked_for);
        let (mut agent, keys) = match timeout_at(until, open(&path, fingerprint)).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(failure)) if identity.is_asked_for => return Err(HostError::Refused(failure)),
            Ok(Err(_)) => return Ok(false),
            Err(_) if identity.is_asked_for => return Err(silent(&path)),
            Err(_) => {
                self.tried.push(format!("agent at `{}` left out: it does not answer", path.display()));
                return Ok(false);
            }
        };
        if !self.is_offered(MethodKind::PublicKey) {
            self.tried.push("agent: the server takes no keys".to_owned());
            return Ok(false);
        }
        for key in identity.chosen(keys) {
            // A login that is left in the middle of a signature does not go on.
            let until = self.agent_deadline(true);
            let trying = timeout_at(until, self.try_held(&mut agent, key));
            if trying.await.map_err(|_| silent(&path))?? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Until when an agent may keep us waiting. One that nobody asked for must leave time for the keys in files.
    fn agent_deadline(&self, is_asked_for: bool) -> Instant {
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now);
        now + if is_asked_for { left.saturating_sub(LAST_WORD) } else { left / 2 }
    }

    async fn try_held(&mut self, agent: &mut Agent, key: AgentIdentity) -> Result<bool, HostError> {
        let said = format!("key {} of the agent", print(&key));
        let user = self.hop.user.clone();
        let is_rsa = key.public_key().algorithm().is_rsa();
        let hash = if is_rsa { self.rsa_hash().await } else { None };
        let asked = match key {
            AgentIdentity::PublicKey { key, .. } => {
                self.handle.authenticate_publickey_with(user, key, hash, agent).await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                self.handle.authenticate_certificate_with(user, certificate, hash, agent).await
            }
        };
        match asked {
            Ok(answer) => self.heard(Ok(answer), Some(said)),
            // The agent may hold a key and still not sign: locked, or its owner said no.
            Err(error) => {
                self.tried.push(format!("{said}: the agent does not sign ({error})"));
                Ok(false)
            }
        }
    }
}

/// Returns where the agent is.
fn at(socket: Option<&Path>) -> Result<PathBuf, Failure> {
    match socket {
        Some(path) => Ok(home::expand(path)),
        None => std::env::var_os("SSH_AUTH_SOCK")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .ok_or_else(|| {
                let hint = "start one and add a key: `eval $(ssh-agent); ssh-add`";
                Failure::new("reach the SSH agent").source("`SSH_AUTH_SOCK` is not set").hint(hint)
            }),
    }
}

fn silent(path: &Path) -> HostError {
    let failure = Failure::new(format!("use the SSH agent at `{}`", path.display()));
    let hint = "does it wait for somebody to allow something? a longer `connect_timeout` gives it more time";
    HostError::Refused(failure.source("the agent does not answer").hint(hint))
}

async fn open(path: &Path, fingerprint: Option<&str>) -> Result<(Agent, Vec<AgentIdentity>), Failure> {
    let failed = |error: russh::keys::Error| {
        Failure::new(format!("reach the SSH agent at `{}`", path.display())).source(error)
    };
    let mut agent = AgentClient::connect_uds(path).await.map_err(failed)?.dynamic();
    let mut keys = agent.request_identities().await.map_err(failed)?;
    if let Some(wanted) = fingerprint {
        keys.retain(|key| print(key) == wanted);
    }
    if keys.is_empty() {
        let what = format!("use the SSH agent at `{}`", path.display());
        let failure = match fingerprint {
            None => Failure::new(what).source("it holds no key"),
            Some(wanted) => {
                Failure::new(what).source(format!("it holds no key with the fingerprint {wanted}"))
            }
        };
        return Err(failure.hint("`ssh-add KEY` adds one, `ssh-add -l` lists them"));
    }
    Ok((agent, keys))
}

/// Returns the fingerprint of a key that an agent holds.
pub(crate) fn print(key: &AgentIdentity) -> String {
    key.public_key().fingerprint(HashAlg::Sha256).to_string()
}
