//! Our side of one connection: checks the host's key, and remembers what the server said.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{DisconnectReason, Handler, Session};
use russh::keys::PublicKeyOrCertificate;

use super::known_hosts::{Judge, NewKey, Trusted};
use super::trouble;
use crate::error::HostError;

/// How much of a banner is kept.
const BANNER_MAX: usize = 300;

/// What ends a connection early.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The host's key is not one we accept.
    HostKey(Box<HostError>),
    /// Anything else.
    Ssh(russh::Error),
}

impl From<russh::Error> for ClientError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

/// What was learnt of the server while connecting.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// The key it proved to hold.
    pub(crate) host_key: Option<Trusted>,
    /// Whether it was believed because nothing was known of the host.
    pub(crate) is_believed: bool,
    /// The same, where nothing was known of it and it stands nowhere yet.
    pub(crate) new_key: Option<NewKey>,
    /// What it showed before the login.
    pub(crate) banner: String,
    /// Why it closed the connection.
    pub(crate) farewell: Option<String>,
}

/// Our side of one connection.
pub(crate) struct Client {
    judge: Judge,
    seen: Arc<Mutex<Seen>>,
}

impl Client {
    pub(crate) fn new(judge: Judge) -> (Self, Arc<Mutex<Seen>>) {
        let seen = Arc::new(Mutex::new(Seen::default()));
        (Self { judge, seen: Arc::clone(&seen) }, seen)
    }
}

/// Returns a copy of what was learnt.
pub(crate) fn look(seen: &Mutex<Seen>) -> Seen {
    seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Handler for Client {
    type Error = ClientError;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, ClientError> {
        let verdict = self.judge.judge(presented).map_err(|error| ClientError::HostKey(Box::new(error)))?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.host_key, seen.is_believed, seen.new_key) =
            (Some(verdict.key), verdict.is_believed, verdict.new);
        Ok(true)
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), ClientError> {
        let kept = banner.chars().filter(|c| !c.is_control() || *c == '\n').take(BANNER_MAX).collect();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).banner = kept;
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<ClientError>) -> Result<(), ClientError> {
        let said = match &reason {
            DisconnectReason::ReceivedDisconnect(info) => info.message.clone(),
            DisconnectReason::Error(ClientError::Ssh(error)) => trouble::words(error),
            DisconnectReason::Error(ClientError::HostKey(error)) => error.to_string(),
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).farewell = Some(said);
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }
}
