//! A shell on a channel, which reads one script after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chaos_core::Failure;
use futures::FutureExt;
use russh::client::Msg;
use russh::{ChannelReadHalf, ChannelWriteHalf};
use tokio::time::Instant;

use super::super::{Question, Raw};
use super::connection::Connection;
use super::hearing::{End, hear};
use crate::error::HostError;

/// For how long after an answer a connection is taken for living without a question. What is sent into one that has just ended
/// is an error, and nobody knows whether it was run; a question costs a round trip.
const FRESH: Duration = Duration::from_secs(1);
/// How long a new shell gets to begin before it is told that nothing more comes. What a server starts in place of a shell may read
/// its input to the end, and only then say what it has to say.
const BEGIN: Duration = Duration::from_secs(5);
/// How much of the input is handed over at once.
const CHUNK: usize = 32 * 1024;

/// A shell, ended when it is dropped: its input is closed then. A script that it is at goes on.
pub(crate) struct Shell {
    read: ChannelReadHalf,
    write: Closing,
    /// A connection lives as long as a channel of it.
    connection: Arc<Connection>,
    command: &'static str,
    /// When it last answered; never, when it is new.
    answered: Option<Instant>,
}

/// The writing half; the server is told to close when nobody holds it any more.
struct Closing(Option<ChannelWriteHalf<Msg>>);

impl Closing {
    fn half(&self) -> &ChannelWriteHalf<Msg> {
        match &self.0 {
            Some(half) => half,
            None => unreachable!("the half is there until it is dropped"),
        }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let Some(half) = self.0.take() else { return };
        // As a rule the connection takes the message at once. Only when its queue is full somebody must wait in our place;
        // that task ends with the connection.
        let is_said = half.close().now_or_never().is_some();
        if let (false, Ok(runtime)) = (is_said, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { half.close().await });
        }
    }
}

/// What came of a script.
pub(crate) enum Asked {
    /// It was run to its end, and the shell waits for the next one.
    Answered(Raw, Shell),
    /// The shell has ended, and perhaps the script has come to its end before.
    Ended(Raw),
    /// The shell had ended before it read the script.
    Gone,
}

impl Shell {
    /// Starts a shell on a channel that nothing was sent on yet.
    pub(crate) async fn start(
        channel: russh::Channel<Msg>,
        connection: Arc<Connection>,
        command: &'static str,
    ) -> Result<Self, HostError> {
        let (read, write) = channel.split();
        let shell = Self { read, write: Closing(Some(write)), connection, command, answered: None };
        let asked = shell.write.half().exec(true, command).await;
        asked.map_err(|error| shell.connection.cut(&error))?;
        Ok(shell)
    }

    /// Returns what it was started by.
    pub(crate) fn command(&self) -> &'static str {
        self.command
    }

    /// Waits for anything that it says, and for its end.
    pub(crate) async fn speaks(&mut self) {
        self.read.wait().await;
    }

    /// Returns whether it waits for a script, as far as anybody can tell. Waits for ever where the server does not answer.
    pub(crate) async fn is_waiting(&mut self) -> bool {
        let is_fresh = self.answered.is_some_and(|at| at.elapsed() < FRESH);
        if !is_fresh {
            tracing::debug!(host = self.connection.name(), "It is asked whether it answers.");
        }
        let Self { read, connection, .. } = self;
        let lives = tokio::select! {
            biased;
            // It is listened to meanwhile, or its noise could keep the answer from us.
            _ = read.wait() => false,
            lives = async { is_fresh && !connection.is_closed() || connection.answers().await } => lives,
        };
        // Had the shell ended, the server would have said so before it answered.
        lives && self.speaks().now_or_never().is_none()
    }

    /// Has it run a script.
    pub(crate) async fn ask(mut self, question: &Question, output_max: usize) -> Result<Asked, HostError> {
        tracing::debug!(host = self.connection.name(), "A script is sent.");
        let is_new = self.answered.is_none();
        let greeting: &[u8] = if is_new { &question.greeting } else { &[] };
        let text = [greeting, &*question.text].concat();
        let (has_begun, is_last) = (AtomicBool::new(false), AtomicBool::new(false));
        let Self { read, write, connection, .. } = &mut self;
        let telling = async {
            tell(write.half(), &text).await?;
            tokio::time::sleep(BEGIN).await;
            if is_new && !has_begun.load(Ordering::Relaxed) {
                is_last.store(true, Ordering::Relaxed);
                write.half().eof().await?;
            }
            Ok::<_, russh::Error>(())
        };
        let end = {
            let mut hearing = std::pin::pin!(hear(read, &question.marks, output_max, &has_begun));
            tokio::select! {
                biased;
                end = &mut hearing => end,
                // What could not be written shows in what was answered.
                _ = telling => hearing.await,
            }
        }?;
        match end {
            End::Answered(raw) if is_last.into_inner() => Ok(Asked::Ended(raw)),
            End::Answered(raw) => {
                self.answered = Some(Instant::now());
                Ok(Asked::Answered(raw, self))
            }
            end => ended(connection, end, is_new, has_begun.into_inner()),
        }
    }
}

/// Tells what came of a script whose shell has ended before all of the answer was here.
fn ended(connection: &Connection, end: End, is_new: bool, has_begun: bool) -> Result<Asked, HostError> {
    let run = || Failure::new(format!("run a script on `{}`", connection.name()));
    match end {
        // Whatever it said came in order, and the end of it came, too: the shell has not begun.
        End::Ended(_) | End::Closed(_) if !is_new && !has_begun => Ok(Asked::Gone),
        End::Silent(_) if !has_begun => {
            let why = "its shell has ended, and nobody knows whether it was run before";
            Err(HostError::Unreachable(run().source(why)))
        }
        End::Answered(raw) | End::Ended(raw) | End::Silent(raw) => Ok(Asked::Ended(raw)),
        End::Cut(_) if !has_begun => Err(connection.cut(&russh::Error::HUP)),
        End::Closed(raw) if raw.stdout.is_empty() && raw.stderr.is_empty() => {
            Err(connection.cut(&russh::Error::HUP))
        }
        // What came may hold the end mark: the reader of the frame decides. If not, the last word tells why.
        End::Closed(mut raw) | End::Cut(mut raw) => {
            raw.stderr.extend_from_slice(format!("\n{}\n", connection.farewell()).as_bytes());
            Ok(Asked::Ended(raw))
        }
        End::Refused => {
            Err(HostError::NotRun(run().source("the server does not let this account run commands")))
        }
    }
}

async fn tell(write: &ChannelWriteHalf<Msg>, text: &[u8]) -> Result<(), russh::Error> {
    for chunk in text.chunks(CHUNK) {
        // Waits until the server's window has room.
        write.data_bytes(chunk.to_vec()).await?;
    }
    Ok(())
}
