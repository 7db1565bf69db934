//! What the library tells of trouble, as errors of ours.

use chaos_core::Failure;

use super::client::ClientError;
use super::resolve::Hop;
use crate::error::HostError;

/// Returns what went wrong before anybody was logged in.
pub(crate) fn connecting(hop: &Hop, error: ClientError) -> HostError {
    match error {
        ClientError::HostKey(error) => *error,
        ClientError::Ssh(error) => handshake(hop, error),
    }
}

fn handshake(hop: &Hop, error: russh::Error) -> HostError {
    let failure = Failure::new(format!("connect to `{hop}`"));
    match error {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => {
            let offers = format!("no common {kind:?} algorithm; the server offers {}", theirs.join(", "));
            HostError::Refused(
                failure.source(offers).hint("the SSH server is too old; renew it or its host key"),
            )
        }
        russh::Error::Version => HostError::Refused(
            failure
                .source("what answers there does not speak SSH 2")
                .hint("is this the port of the SSH server?"),
        ),
        russh::Error::WrongServerSig => {
            HostError::Refused(failure.source("the server could not prove that it holds its host key"))
        }
        other => HostError::Unreachable(failure.source(words(&other))),
    }
}

/// Returns what went wrong on a connection that had been good.
pub(crate) fn broken(hop: &Hop, what: &str, error: &russh::Error) -> HostError {
    HostError::Unreachable(Failure::new(format!("{what} on `{hop}`")).source(words(error)))
}

/// Returns the library's message in words that fit ours.
pub(crate) fn words(error: &russh::Error) -> String {
    match error {
        russh::Error::HUP | russh::Error::Disconnect => "the server closed the connection".to_owned(),
        russh::Error::SendError | russh::Error::RecvError => "the connection is gone".to_owned(),
        russh::Error::KeepaliveTimeout => "the server went silent".to_owned(),
        russh::Error::IO(error) => error.to_string(),
        other => {
            let text = other.to_string();
            let mut letters = text.chars();
            letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
        }
    }
}
