//! Logs in.

use std::path::Path;
use std::sync::{Arc, Mutex};

use chaos_core::{Failure, Secret};
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};
use tokio::time::Instant;

use super::client::{Client, Seen, look};
use super::config::Auth;
use super::key_file::{KeyFile, Loaded};
use super::resolve::{Hop, Identity};
use crate::error::HostError;

mod agent;

/// How many rounds of questions a server may ask before we take it for a loop.
const QUESTIONS_MAX: usize = 8;

/// One login under way.
struct Login<'a> {
    handle: &'a mut Handle<Client>,
    hop: &'a Hop,
    seen: &'a Mutex<Seen>,
    /// When it must be done.
    deadline: Instant,
    /// What the server lets us try.
    offered: MethodSet,
    /// What was tried or left out, and what came of it.
    tried: Vec<String>,
}

/// Tries each identity of the hop until the server lets us in. The caller ends it at `deadline`.
pub(crate) async fn log_in(
    handle: &mut Handle<Client>,
    hop: &Hop,
    seen: &Mutex<Seen>,
    deadline: Instant,
) -> Result<(), HostError> {
    let (offered, tried) = (MethodSet::empty(), hop.left_out.clone());
    let mut login = Login { handle, hop, seen, deadline, offered, tried };
    let asked = login.handle.authenticate_none(&hop.user).await;
    if login.heard(asked, None)? {
        return Ok(());
    }
    for identity in &hop.identities {
        if login.try_identity(identity).await? {
            return Ok(());
        }
    }
    Err(login.refused())
}

impl Login<'_> {
    async fn try_identity(&mut self, identity: &Identity) -> Result<bool, HostError> {
        match &identity.auth {
            Auth::Key(file) => self.try_file(file, identity.is_asked_for).await,
            Auth::Agent { socket, fingerprint } => {
                self.try_agent(socket.as_deref(), fingerprint.as_deref(), identity).await
            }
            Auth::Password(password) => self.try_password(password).await,
        }
    }

    async fn try_file(&mut self, file: &KeyFile, is_asked_for: bool) -> Result<bool, HostError> {
        let loaded = match file.load().await {
            Ok(loaded) => loaded.clone(),
            Err(unusable) if is_asked_for => return Err(unusable.into_error(file.path())),
            Err(unusable) => {
                let why = unusable.in_passing();
                self.tried.extend(why.map(|why| format!("key `{}` left out: {why}", file.path().display())));
                return Ok(false);
            }
        };
        if !self.is_offered(MethodKind::PublicKey) {
            self.tried.push(format!("key `{}`: the server takes no keys", file.path().display()));
            return Ok(false);
        }
        Ok(self.try_certificate(file.path(), &loaded).await? || self.try_key(file.path(), loaded).await?)
    }

    async fn try_certificate(&mut self, path: &Path, loaded: &Loaded) -> Result<bool, HostError> {
        let Some(certificate) = loaded.certificate.clone() else { return Ok(false) };
        let said = format!("certificate of `{}`", path.display());
        let key = Arc::clone(&loaded.key);
        let asked = self.handle.authenticate_openssh_cert(&self.hop.user, key, certificate).await;
        self.heard(asked, Some(said))
    }

    async fn try_key(&mut self, path: &Path, loaded: Loaded) -> Result<bool, HostError> {
        let hash = if loaded.key.algorithm().is_rsa() { self.rsa_hash().await } else { None };
        let said = format!("key `{}`", path.display());
        let key = PrivateKeyWithHashAlg::new(loaded.key, hash);
        let asked = self.handle.authenticate_publickey(&self.hop.user, key).await;
        self.heard(asked, Some(said))
    }

    /// Returns the hash for RSA. Where the server does not say what it takes, SHA-256 is what all but the oldest take.
    async fn rsa_hash(&self) -> Option<HashAlg> {
        match self.handle.best_supported_rsa_hash().await {
            Ok(Some(Some(hash))) => Some(hash),
            _ => Some(HashAlg::Sha256),
        }
    }

    async fn try_password(&mut self, password: &Secret) -> Result<bool, HostError> {
        if self.is_offered(MethodKind::Password) {
            let asked = self.handle.authenticate_password(&self.hop.user, password.expose()).await;
            return self.heard(asked, Some("password".to_owned()));
        }
        if self.is_offered(MethodKind::KeyboardInteractive) {
            return self.answer_questions(password).await;
        }
        self.tried.push("password: the server takes none".to_owned());
        Ok(false)
    }

    /// Answers with the password where the server asks for something that is not shown, and with nothing otherwise.
    async fn answer_questions(&mut self, password: &Secret) -> Result<bool, HostError> {
        let said = || Some("password (asked in a dialogue)".to_owned());
        let mut asked = self.handle.authenticate_keyboard_interactive_start(&self.hop.user, None).await;
        for _ in 0..QUESTIONS_MAX {
            let prompts = match asked {
                Ok(KeyboardInteractiveAuthResponse::Success) => return Ok(true),
                Ok(KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success }) => {
                    return self
                        .heard(Ok(AuthResult::Failure { remaining_methods, partial_success }), said());
                }
                Ok(KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. }) => prompts,
                Err(error) => return self.heard(Err(error), said()),
            };
            let answer = |prompt: &russh::client::Prompt| match prompt.echo {
                true => String::new(),
                false => password.expose().to_owned(),
            };
            let answers = prompts.iter().map(answer).collect();
            asked = self.handle.authenticate_keyboard_interactive_respond(answers).await;
        }
        self.tried.push("password: the server kept asking".to_owned());
        Ok(false)
    }

    /// Takes the server's answer in. `said` is what was tried; the first question of all tries nothing.
    fn heard(
        &mut self,
        answer: Result<AuthResult, russh::Error>,
        said: Option<String>,
    ) -> Result<bool, HostError> {
        match answer {
            Ok(AuthResult::Success) => Ok(true),
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                let came = if partial_success { "accepted, but not enough" } else { "refused" };
                self.tried.extend(said.map(|said| format!("{said}: {came}")));
                if self.handle.is_closed() || remaining_methods.is_empty() {
                    return Err(self.shown_the_door());
                }
                self.offered = remaining_methods;
                Ok(false)
            }
            Err(_) => Err(self.shown_the_door()),
        }
    }

    fn is_offered(&self, method: MethodKind) -> bool {
        self.offered.contains(&method)
    }

    /// The server closed the connection in the middle of the login.
    fn shown_the_door(&self) -> HostError {
        let seen = look(self.seen);
        let said = seen.farewell.unwrap_or_else(|| "the server closed the connection".to_owned());
        let failure = Failure::new(format!("log in to `{}`", self.hop));
        if self.tried.is_empty() {
            // Nothing was refused yet: a server under load drops logins (`MaxStartups`), and later it may not.
            return HostError::Unreachable(failure.source(said));
        }
        let hint = "a server takes few tries (`MaxAuthTries`): name the right key in `auth`";
        HostError::Refused(failure.source(format!("{said}; tried: {}", self.tried.join("; "))).hint(hint))
    }

    fn refused(&self) -> HostError {
        let offered: Vec<&str> = self.offered.iter().map(Into::into).collect();
        let tried = match self.tried.as_slice() {
            [] => "nothing to try".to_owned(),
            tried => tried.join("; "),
        };
        let banner = look(self.seen).banner;
        let said =
            if banner.trim().is_empty() { String::new() } else { format!("; it says: {}", banner.trim()) };
        let source = format!("{tried}; the server offers {}{said}", offered.join(", "));
        let hint = format!("check `username` (`{}`) and `auth`", self.hop.user);
        HostError::Refused(Failure::new(format!("log in to `{}`", self.hop)).source(source).hint(hint))
    }
}
