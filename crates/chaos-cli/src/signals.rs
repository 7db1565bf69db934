//! Signals of the operating system. The first one stops and rolls back, the second one leaves the journal and goes.

use std::io;

use chaos_core::ExitCode;
use chaos_engine::{StopReason, StopSignal};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::progress;

/// The signals that stop a run.
pub struct Stops {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Stops {
    /// Begins to listen; from here on the signals do not end the process by themselves.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> StopReason {
        tokio::select! {
            _ = self.interrupt.recv() => StopReason::Interrupted,
            _ = self.terminate.recv() => StopReason::Terminated,
            _ = self.hangup.recv() => StopReason::Terminated,
        }
    }
}

/// Keeps a recovery going when it is asked to stop: a rollback is never cancelled, and it is bounded. A second signal ends it.
///
/// # Errors
/// When the operating system does not let us listen.
pub fn outlast_first_signal() -> io::Result<()> {
    let mut stops = Stops::new()?;
    // Not joined, as below.
    drop(tokio::spawn(async move {
        stops.next().await;
        progress::say("the recovery goes on to its end; a second signal leaves the rest undone");
        stops.next().await;
        progress::say("left as it is; begin again with `chaos recover --all`");
        std::process::exit(i32::from(ExitCode::LeftBehind.code()));
    }));
    Ok(())
}

/// Listens for signals as long as the runtime lives. When a second one ends the process, `leave` has what is said and the exit
/// code.
///
/// # Errors
/// When the operating system does not let us listen. A run must not begin then.
pub fn stop_on_signals(
    leave: impl Fn(StopReason) -> (String, ExitCode) + Send + 'static,
) -> io::Result<StopSignal> {
    let mut stops = Stops::new()?;
    let stop = StopSignal::default();
    let asked = stop.clone();
    // Not joined: it waits for signals, which may never come, and ends with the runtime.
    drop(tokio::spawn(async move {
        asked.stop(stops.next().await);
        progress::say("stopping and rolling back; a second signal leaves it undone");
        let again = stops.next().await;
        let (text, exit) = leave(again);
        progress::say(&text);
        std::process::exit(i32::from(exit.code()));
    }));
    Ok(stop)
}
