//! Holds the lock of a file in a thread of its own, until it is told to end or its time is over.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chaos_core::{Effect, Failure, FaultError};
use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::sqlite::error::During;
use crate::sqlite::target::{File, in_thread};

/// How long we try to get a lock that somebody else holds.
const TRY_MAX: Duration = Duration::from_secs(10);
/// The pause between two tries. A try never waits, so nobody queues behind us.
const TRY_PAUSE: Duration = Duration::from_millis(50);

/// The session of a lock. Dropping it ends the lock before it returns.
pub struct LockSession {
    /// Dropping it tells the thread to end.
    commands: Option<Sender<()>>,
    /// What became of the lock: how many tries it took.
    locked: Option<oneshot::Receiver<Result<u64, FaultError>>>,
    thread: Option<JoinHandle<Held>>,
}

/// How the hold ended.
struct Held {
    for_how_long: Duration,
    /// Whether it ended by its own deadline.
    expired: bool,
}

impl LockSession {
    /// Starts the thread, which opens its session and waits for [`LockSession::lock`].
    pub(super) fn start(
        file: Arc<File>,
        readers: bool,
        limit: Duration,
        cancel: CancellationToken,
    ) -> Result<Self, FaultError> {
        let (commands, orders) = channel();
        let (tell, locked) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("sqlite-lock".to_owned())
            .spawn(move || hold(&file, readers, limit, &cancel, &orders, tell))
            .map_err(|source| {
                FaultError::Target(Failure::new("start a thread for the lock").source(source))
            })?;
        Ok(Self { commands: Some(commands), locked: Some(locked), thread: Some(thread) })
    }

    /// Takes the lock and returns how many tries it took.
    pub(super) async fn lock(&mut self) -> Result<u64, FaultError> {
        let gone = || FaultError::Target(Failure::new("hold a lock whose thread has ended"));
        let (Some(commands), Some(locked)) = (&self.commands, self.locked.take()) else { return Err(gone()) };
        commands.send(()).map_err(|_| gone())?;
        locked.await.map_err(|_| gone())?
    }

    /// Ends the lock and says how long it was held.
    pub(super) async fn finish(mut self) -> Result<Effect, FaultError> {
        drop(self.commands.take());
        let Some(thread) = self.thread.take() else { return Ok(Effect::default()) };
        let held = in_thread(move || {
            thread.join().map_err(|_| FaultError::Target(Failure::new("end the lock: its thread panicked")))
        })
        .await?;
        let millis = u64::try_from(held.for_how_long.as_millis()).unwrap_or(u64::MAX);
        Ok(Effect::default().with("held_ms", millis).with("lock_kept", !held.expired))
    }
}

impl Drop for LockSession {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The thread of a lock panicked; its lock ended with it.");
        }
    }
}

/// The thread: takes the lock on the first order, ends it on the next one, or when its time is over.
fn hold(
    file: &File,
    readers: bool,
    limit: Duration,
    cancel: &CancellationToken,
    orders: &Receiver<()>,
    tell: oneshot::Sender<Result<u64, FaultError>>,
) -> Held {
    let nothing = Held { for_how_long: Duration::ZERO, expired: false };
    if orders.recv().is_err() {
        return nothing;
    }
    let (connection, tries) = match take(file, readers, cancel, orders) {
        Ok(taken) => taken,
        Err(error) => {
            // Who asked may be gone already; then nobody needs to know.
            let _ = tell.send(Err(error));
            return nothing;
        }
    };
    let since = Instant::now();
    if tell.send(Ok(tries)).is_err() {
        return nothing;
    }
    let expired = matches!(orders.recv_timeout(limit), Err(RecvTimeoutError::Timeout));
    // Closing the connection rolls back, whether or not this works.
    if let Err(error) = connection.execute_batch("ROLLBACK") {
        tracing::warn!(%error, "A lock could not be rolled back; it ends with its connection.");
    }
    Held { for_how_long: since.elapsed(), expired }
}

fn take(
    file: &File,
    readers: bool,
    cancel: &CancellationToken,
    orders: &Receiver<()>,
) -> Result<(Connection, u64), FaultError> {
    let begin = if readers { "BEGIN EXCLUSIVE" } else { "BEGIN IMMEDIATE" };
    let connection = file.open()?;
    connection.busy_timeout(Duration::ZERO).during("switch off waiting for locks")?;
    let started = Instant::now();
    let mut tries = 1;
    loop {
        match connection.execute_batch(begin).during(format!("lock {}", file.resource())) {
            Ok(()) => return Ok((connection, tries)),
            Err(FaultError::Busy(_)) if started.elapsed() < TRY_MAX => {}
            Err(error) => return Err(error),
        }
        tries += 1;
        let told_to_end = matches!(orders.recv_timeout(TRY_PAUSE), Err(RecvTimeoutError::Disconnected));
        if told_to_end || cancel.is_cancelled() {
            return Err(FaultError::Cancelled);
        }
    }
}
