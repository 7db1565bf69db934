//! A machine over SSH: one connection, checked and logged in once, and a few shells that read one script after the other.

mod address;
mod auth;
mod client;
mod config;
mod connection;
mod hearing;
mod home;
mod idle;
mod key_file;
mod known_hosts;
mod resolve;
mod shell;
mod trouble;
mod user_config;
mod user_file;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use chaos_core::Failure;
use chaos_core::erased::BoxFuture;
use tokio::sync::{Mutex, Semaphore};

pub use config::{Auth, HostKey, SshConfig, UserConfig};
use connection::{Connection, NoChannel};
use idle::Idle;
pub use key_file::KeyFile;
use known_hosts::NewKey;
use resolve::Route;
use russh::Channel;
use russh::client::Msg;
use shell::{Asked, Shell};
pub use user_config::listed_hosts;

use super::{Bounds, Question, Raw, Transport};
use crate::error::HostError;

/// How many scripts run at once on one machine. A server lets ten channels be open on one connection (`MaxSessions`) and may
/// be told to let fewer.
const CHANNELS_MAX: usize = 4;
/// How long a living server takes to answer a question that costs it nothing; a busy one needs some of it.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long a server gets to forget a channel that was closed.
const CLEAN_UP: Duration = Duration::from_millis(50);

/// Returns the variables of the environment that the user's SSH configuration names for a machine, with their values: another
/// process that connects there needs them. Reads files.
pub fn variables(config: &SshConfig) -> BTreeMap<String, String> {
    resolve::route(config).map(|route| route.variables).unwrap_or_default()
}

/// A machine over SSH. Cheap to clone; the connection is closed with the last clone.
#[derive(Clone)]
pub struct Ssh {
    inner: Arc<Inner>,
}

struct Inner {
    route: Route,
    connection: Mutex<Arc<Connection>>,
    /// Whether the first connection was replaced. The key of the host is the same then, and clones of a machine may share it.
    is_another: AtomicBool,
    channels: Semaphore,
    /// Those that have answered and wait. A login starts several programs for each new one.
    shells: std::sync::Mutex<Vec<Idle>>,
    new_keys: Mutex<Vec<NewKey>>,
}

impl Ssh {
    /// Connects, checks who answers, and logs in.
    ///
    /// # Errors
    /// [`HostError::Unreachable`] when nobody answers in time, [`HostError::Refused`] when who answers is not who was expected
    /// or does not let us in.
    pub async fn connect(config: SshConfig) -> Result<Self, HostError> {
        let reading = tokio::task::spawn_blocking(move || resolve::route(&config));
        let route = reading.await.map_err(|error| {
            HostError::Unreachable(Failure::new("read the SSH configuration").source(error))
        })??;
        let connection = Connection::open(&route, None).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                route,
                new_keys: Mutex::new(connection.new_keys()),
                connection: Mutex::new(Arc::new(connection)),
                is_another: AtomicBool::new(false),
                channels: Semaphore::new(CHANNELS_MAX),
                shells: std::sync::Mutex::default(),
            }),
        })
    }

    /// Returns who it is: `user@host:port`.
    pub fn name(&self) -> String {
        self.inner.route.target().to_string()
    }

    /// Returns the fingerprint of the host's key.
    pub async fn host_key(&self) -> String {
        self.inner.connection.lock().await.fingerprint()
    }

    /// Returns the address that was connected to; unknown behind a jump host.
    pub async fn address(&self) -> Option<IpAddr> {
        self.inner.connection.lock().await.address()
    }

    /// Returns what was left out or decided otherwise than the user's SSH configuration says, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.inner.route.notes
    }

    /// Returns the keys that were accepted because none was known, a clause each; they are written down by [`Transport::settle`].
    pub async fn accepted(&self) -> Vec<String> {
        self.inner.new_keys.lock().await.iter().map(NewKey::to_string).collect()
    }

    /// Returns a connection that lives as far as anybody can tell, and opens another when the last one has ended.
    async fn living(&self) -> Result<Arc<Connection>, HostError> {
        let mut connection = self.inner.connection.lock().await;
        if connection.is_closed() {
            *connection = self.another(&connection).await?;
        }
        Ok(Arc::clone(&connection))
    }

    /// Returns a connection other than `full`, which goes on for those who use it.
    async fn in_place_of(&self, full: &Arc<Connection>) -> Result<Arc<Connection>, HostError> {
        let mut connection = self.inner.connection.lock().await;
        if Arc::ptr_eq(&connection, full) {
            *connection = self.another(&connection).await?;
        }
        Ok(Arc::clone(&connection))
    }

    /// Connects again, to the very host that was there before.
    async fn another(&self, last: &Connection) -> Result<Arc<Connection>, HostError> {
        self.inner.is_another.store(true, Ordering::Relaxed);
        Connection::open(&self.inner.route, Some(last)).await.map(Arc::new)
    }

    /// Starts a shell. Nothing was sent yet, so where the connection turns out dead or full there is one more try on a new
    /// one. A connection is full for a while when scripts were given up that still run: the server counts them.
    async fn new_shell(&self, command: &'static str) -> Result<Shell, HostError> {
        let (channel, connection) = self.channel().await?;
        Shell::start(channel, connection, command).await
    }

    async fn channel(&self) -> Result<(Channel<Msg>, Arc<Connection>), HostError> {
        let mut connection = self.living().await?;
        match connection.channel().await {
            Ok(channel) => return Ok((channel, connection)),
            Err(NoChannel::Full(_)) => {}
            Err(NoChannel::Broken(_)) if connection.is_closed() => connection = self.living().await?,
            Err(NoChannel::Broken(error)) => return Err(error),
        }
        // Each of those who find it full may take the last channel of the next one.
        for _ in 0..CHANNELS_MAX {
            // The server may only be about to clean up behind the last script.
            tokio::time::sleep(CLEAN_UP).await;
            match connection.channel().await {
                Ok(channel) => return Ok((channel, connection)),
                Err(NoChannel::Full(_)) => connection = self.in_place_of(&connection).await?,
                Err(NoChannel::Broken(error)) => return Err(error),
            }
        }
        let channel = connection.channel().await.map_err(NoChannel::into_error)?;
        Ok((channel, connection))
    }

    /// Returns a shell that has answered before and still waits, if there is one.
    async fn waiting_shell(&self, command: &'static str) -> Option<Shell> {
        loop {
            let idle = {
                let mut shells = self.shells();
                let at = shells.iter().rposition(|shell| shell.is(command))?;
                shells.swap_remove(at)
            };
            if let Some(mut shell) = idle.take().await
                && shell.is_waiting().await
            {
                return Some(shell);
            }
        }
    }

    fn shells(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.inner.shells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, question: &Question, bounds: Bounds) -> Result<Raw, HostError> {
        let Ok(_permit) = self.inner.channels.acquire().await else {
            unreachable!("the semaphore is never closed")
        };
        let mut asked = Asked::Gone;
        if let Some(shell) = self.waiting_shell(question.command).await {
            asked = shell.ask(question, bounds.output).await?;
        }
        if let Asked::Gone = asked {
            asked = self.new_shell(question.command).await?.ask(question, bounds.output).await?;
        }
        match asked {
            Asked::Answered(raw, shell) => {
                self.shells().push(Idle::new(shell));
                Ok(raw)
            }
            Asked::Ended(raw) => Ok(raw),
            Asked::Gone => unreachable!("only a shell that has answered before can have gone since"),
        }
    }
}

impl Transport for Ssh {
    fn ask(&self, question: Question, bounds: Bounds) -> BoxFuture<'_, Result<Raw, HostError>> {
        Box::pin(async move {
            let running = tokio::time::timeout(bounds.time, self.run(&question, bounds));
            running.await.map_err(|_| took_too_long(&self.name(), bounds.time))?
        })
    }

    fn settle(&self) -> BoxFuture<'_, Result<(), HostError>> {
        Box::pin(async move {
            let mut keys = self.inner.new_keys.lock().await;
            let writing = keys.clone();
            if !writing.is_empty() {
                let written = tokio::task::spawn_blocking(move || writing.iter().try_for_each(NewKey::write));
                written.await.map_err(|error| {
                    HostError::Refused(Failure::new("write new host keys").source(error))
                })??;
                keys.clear();
            }
            Ok(())
        })
    }

    fn answers(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let asking = async {
                let connection = Arc::clone(&*self.inner.connection.lock().await);
                !self.inner.is_another.load(Ordering::Relaxed) && connection.answers().await
            };
            tokio::time::timeout(ANSWER_MAX, asking).await.unwrap_or(false)
        })
    }
}

fn took_too_long(name: &str, time: Duration) -> HostError {
    HostError::Bounds(Failure::new(format!("run a script on `{name}` within {time:?}")))
}
