//! One connection, through as many hosts as it takes.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chaos_core::Failure;
use russh::client::{Config, Handle, Msg};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Channel, Preferred, cipher, kex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::client::{Client, Seen, look};
use super::known_hosts::{Judge, NewKey, Trusted};
use super::resolve::{Hop, Route};
use super::{address, auth, trouble};
use crate::error::HostError;

/// How often a silent server is asked whether it lives.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How often it may fail to answer: a server that vanished is noticed after about 15 s.
const KEEPALIVE_MAX: usize = 2;
/// What a server may send before we have taken it. Scripts write little; hundreds of connections must stay small.
const WINDOW: u32 = 256 * 1024;
/// How many messages of a channel wait for us.
const MESSAGES_MAX: usize = 16;

/// How often a server may close a connection that it has just taken. A busy one drops logins at random (`MaxStartups`).
const DROPS_MAX: usize = 4;
/// How long to wait, about, after the first time; each time twice as long.
const DROP_PAUSE: Duration = Duration::from_millis(100);

/// Why a connection was not opened.
enum Early {
    /// The server took the connection and closed it before anything was said.
    Dropped(HostError),
    /// Anything else.
    Final(HostError),
}

/// An open connection to the last host of a route.
pub(crate) struct Connection {
    handle: Handle<Client>,
    seen: Arc<Mutex<Seen>>,
    hop: Hop,
    /// Where it really went; unknown behind a jump host.
    address: Option<IpAddr>,
    /// The connection that ours goes through; it ends with ours.
    via: Option<Box<Connection>>,
}

/// Why there is no channel.
pub(crate) enum NoChannel {
    /// The server lets no more be open on this connection.
    Full(HostError),
    /// Anything else.
    Broken(HostError),
}

impl NoChannel {
    pub(crate) fn into_error(self) -> HostError {
        match self {
            Self::Full(error) | Self::Broken(error) => error,
        }
    }
}

impl Connection {
    /// Connects hop by hop. Where there was a connection before, its keys are what the hosts must have now; see
    /// [`Self::keys_to_keep`].
    pub(crate) async fn open(route: &Route, last: Option<&Self>) -> Result<Self, HostError> {
        let mut via: Option<Box<Self>> = None;
        let mut keys = last.map(Self::keys_to_keep).unwrap_or_default().into_iter();
        for hop in &route.hops {
            let before = keys.next().flatten();
            via = Some(Box::new(Self::open_hop(hop, via, before).await?));
        }
        via.map(|connection| *connection).ok_or_else(|| unreachable!("a route has at least its target"))
    }

    async fn open_hop(
        hop: &Hop,
        mut via: Option<Box<Self>>,
        before: Option<Trusted>,
    ) -> Result<Self, HostError> {
        let deadline = Instant::now() + hop.connect_timeout;
        let mut pause = DROP_PAUSE;
        for _ in 0..DROPS_MAX {
            let opening = Self::open_once(hop, &mut via, before.clone(), deadline);
            match timeout_at(deadline, opening).await {
                Ok(Err(Early::Dropped(_))) => {
                    // Those who were dropped together must not come back together.
                    let pause_now = pause.mul_f64(rand::random_range(0.5..1.5));
                    let _ = timeout_at(deadline, tokio::time::sleep(pause_now)).await;
                    pause *= 2;
                }
                Ok(Err(Early::Final(error))) => return Err(error),
                Ok(Ok(connection)) => return Ok(connection),
                Err(_) => return Err(silent(hop)),
            }
        }
        match timeout_at(deadline, Self::open_once(hop, &mut via, before, deadline)).await {
            Ok(opened) => opened.map_err(|(Early::Dropped(error) | Early::Final(error))| error),
            Err(_) => Err(silent(hop)),
        }
    }

    async fn open_once(
        hop: &Hop,
        via: &mut Option<Box<Self>>,
        before: Option<Trusted>,
        deadline: Instant,
    ) -> Result<Self, Early> {
        let about = hop.clone();
        let reading = tokio::task::spawn_blocking(move || Judge::new(&about, before)).await;
        let unread = |error| HostError::Unreachable(Failure::new("read the known hosts").source(error));
        let judge = reading.map_err(unread).flatten().map_err(Early::Final)?;
        let mut address = None;
        let shaken = match via.as_ref() {
            None => {
                let stream = address::connect(hop, deadline).await.map_err(Early::Final)?;
                // A stream that has just been cut has none; the handshake tells that better.
                address = stream.peer_addr().ok().map(|address| address.ip());
                shake_hands(hop, judge, stream).await
            }
            Some(via) => {
                let stream = via.tunnel(hop).await.map_err(Early::Final)?;
                shake_hands(hop, judge, stream).await
            }
        };
        let (handle, seen) = shaken.map_err(|error| match error {
            HostError::Unreachable(_) => Early::Dropped(error),
            error => Early::Final(error),
        })?;
        let mut connection = Self { handle, seen, hop: hop.clone(), address, via: None };
        auth::log_in(&mut connection.handle, hop, &connection.seen, deadline).await.map_err(Early::Final)?;
        connection.via = via.take();
        Ok(connection)
    }

    /// Opens a way to the next host through this one.
    async fn tunnel(
        &self,
        next: &Hop,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, HostError> {
        let opening = self.handle.channel_open_direct_tcpip(&next.host, u32::from(next.port), "127.0.0.1", 0);
        let channel = opening.await.map_err(|error| {
            let what = format!("connect to `{next}` through `{}`", self.hop);
            match error {
                russh::Error::ChannelOpenFailure(russh::ChannelOpenFailure::AdministrativelyProhibited) => {
                    let hint = "its SSH server needs `AllowTcpForwarding yes`";
                    HostError::Refused(Failure::new(what).source("the jump host does not forward").hint(hint))
                }
                russh::Error::ChannelOpenFailure(_) => {
                    HostError::Unreachable(Failure::new(what).source("the jump host does not reach it"))
                }
                other => HostError::Unreachable(Failure::new(what).source(trouble::words(&other))),
            }
        })?;
        Ok(channel.into_stream())
    }

    /// Opens a channel for a shell.
    pub(crate) async fn channel(&self) -> Result<Channel<Msg>, NoChannel> {
        let opened = self.handle.channel_open_session().await;
        opened.map_err(|error| match error {
            russh::Error::ChannelOpenFailure(reason) => {
                let failure = Failure::new(format!("open a channel on `{}`", self.hop));
                let hint = "its SSH server needs `MaxSessions` of 1 or more, and free processes";
                let source = format!("the server refused ({reason:?})");
                NoChannel::Full(HostError::Unreachable(failure.source(source).hint(hint)))
            }
            other => NoChannel::Broken(self.broken("open a channel", &other)),
        })
    }

    /// Returns why a script broke off.
    pub(crate) fn cut(&self, error: &russh::Error) -> HostError {
        self.broken("run a script", error)
    }

    /// Returns the last that was heard of it.
    pub(crate) fn farewell(&self) -> String {
        look(&self.seen).farewell.unwrap_or_else(|| "the server closed the channel".to_owned())
    }

    /// Returns where it really went; unknown behind a jump host.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Returns who is connected.
    pub(crate) fn name(&self) -> String {
        self.hop.to_string()
    }

    fn broken(&self, what: &str, error: &russh::Error) -> HostError {
        match look(&self.seen).farewell {
            Some(said) => {
                HostError::Unreachable(Failure::new(format!("{what} on `{}`", self.hop)).source(said))
            }
            None => trouble::broken(&self.hop, what, error),
        }
    }

    /// Returns whether it is known to have ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.handle.is_closed() || self.via.as_ref().is_some_and(|via| via.is_closed())
    }

    /// Asks the server whether it lives; waits for ever where it does not answer.
    pub(crate) async fn answers(&self) -> bool {
        // A connection that ends meanwhile counts as an answer there.
        !self.is_closed() && self.handle.send_ping().await.is_ok() && !self.is_closed()
    }

    /// Returns the key that the host proved to hold.
    pub(crate) fn host_key(&self) -> Option<Trusted> {
        look(&self.seen).host_key
    }

    /// Returns the key that each host of the way must have when we come back, as far as it must have the very same: the machine
    /// itself, and hosts that were believed because nothing was known of them.
    fn keys_to_keep(&self) -> Vec<Option<Trusted>> {
        let mut keys: Vec<_> = self.via.iter().flat_map(|via| via.keys_believed()).collect();
        keys.push(self.host_key());
        keys
    }

    fn keys_believed(&self) -> Vec<Option<Trusted>> {
        let mut keys: Vec<_> = self.via.iter().flat_map(|via| via.keys_believed()).collect();
        let seen = look(&self.seen);
        keys.push(seen.host_key.filter(|_| seen.is_believed));
        keys
    }

    /// Returns the keys that were accepted on the way and stand nowhere yet.
    pub(crate) fn new_keys(&self) -> Vec<NewKey> {
        let mut keys = self.via.as_ref().map(|via| via.new_keys()).unwrap_or_default();
        keys.extend(look(&self.seen).new_key);
        keys
    }

    /// Returns its fingerprint.
    pub(crate) fn fingerprint(&self) -> String {
        self.host_key().map(|key| key.fingerprint()).unwrap_or_default()
    }
}

async fn shake_hands<S>(
    hop: &Hop,
    judge: Judge,
    stream: S,
) -> Result<(Handle<Client>, Arc<Mutex<Seen>>), HostError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = Arc::new(config(&judge));
    let (client, seen) = Client::new(judge);
    let handle = russh::client::connect_stream(config, stream, client).await;
    Ok((handle.map_err(|error| trouble::connecting(hop, error))?, seen))
}

fn config(judge: &Judge) -> Config {
    Config {
        window_size: WINDOW,
        channel_buffer_size: MESSAGES_MAX,
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: KEEPALIVE_MAX,
        nodelay: true,
        preferred: preferred(judge),
        ..Config::default()
    }
}

/// Returns what to agree on with the server: nothing weak, the cheap ones first, and of the host keys those that are known.
fn preferred(judge: &Judge) -> Preferred {
    let keys = host_keys(&judge.known_algorithms());
    Preferred {
        key: Cow::Owned(keys.clone()),
        host_key_certificates: if judge.has_authority() { Cow::Owned(keys) } else { Cow::Borrowed(&[]) },
        kex: Cow::Borrowed(KEX),
        cipher: Cow::Borrowed(CIPHERS),
        ..Preferred::DEFAULT
    }
}

const KEX: &[kex::Name] = &[
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::MLKEM768X25519_SHA256,
    kex::DH_GEX_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G14_SHA256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// Returns the kinds of host keys we take, those of `known` first.
fn host_keys(known: &[Algorithm]) -> Vec<Algorithm> {
    let mut kinds = vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ];
    let is_rsa = |kind: &Algorithm| matches!(kind, Algorithm::Rsa { .. });
    let is_known =
        |kind: &Algorithm| known.iter().any(|known| known == kind || (is_rsa(known) && is_rsa(kind)));
    // The sort is stable: each half keeps its order.
    kinds.sort_by_key(|kind| !is_known(kind));
    kinds
}

fn silent(hop: &Hop) -> HostError {
    let failure = Failure::new(format!("connect to `{hop}` within {:?}", hop.connect_timeout));
    let hint = "is this the port of an SSH server? a slow one needs a longer `connect_timeout`";
    HostError::Unreachable(failure.source("no answer in time").hint(hint))
}
