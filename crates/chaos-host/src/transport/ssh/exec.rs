//! One script on one channel.

use std::sync::Arc;
use std::time::Duration;

use chaos_core::Failure;
use futures::FutureExt;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::Raw;
use super::super::local::STDERR_MAX;
use super::connection::Connection;
use crate::error::HostError;

/// How long the end of the output may come after the end of the command. A process left in the background may hold the
/// output open for ever, and what it writes is no answer to us.
const LINGER: Duration = Duration::from_secs(2);
/// How long output may go on after the end of the command. What a command wrote may still be on its way over a slow line; what
/// somebody in the background writes never ends.
const LINGER_MAX: Duration = Duration::from_secs(15);
/// How long the server gets to close the channel after it said all.
const GOODBYE: Duration = Duration::from_millis(200);
/// How much of the input is handed over at once.
const CHUNK: usize = 32 * 1024;
/// Extended data of this kind is standard error.
const STDERR: u32 = 1;

/// A channel, closed when it is dropped.
pub(crate) struct Channel {
    read: ChannelReadHalf,
    write: Closing,
    /// A connection lives as long as a channel of it.
    connection: Arc<Connection>,
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

impl Channel {
    pub(crate) fn new(channel: russh::Channel<Msg>, connection: Arc<Connection>) -> Self {
        let (read, write) = channel.split();
        Self { read, write: Closing(Some(write)), connection }
    }
}

/// Runs `command` with `stdin` and waits for its end.
pub(crate) async fn run(
    mut channel: Channel,
    command: &'static str,
    stdin: Vec<u8>,
    output_max: usize,
) -> Result<Raw, HostError> {
    let asked = channel.write.half().exec(true, command).await;
    asked.map_err(|error| channel.connection.cut(&error))?;
    let Channel { read, write, .. } = &mut channel;
    let collected = {
        let mut collecting = std::pin::pin!(collect(read, output_max));
        let feeding = feed(write.half(), stdin);
        tokio::select! {
            biased;
            collected = &mut collecting => collected,
            // What could not be written shows in what was answered.
            _ = feeding => collecting.await,
        }
    };
    match collected {
        Ok(End::Ended(raw)) => Ok(raw),
        Ok(End::Cut(raw)) if raw.stdout.is_empty() && raw.stderr.is_empty() => {
            Err(channel.connection.cut(&russh::Error::HUP))
        }
        // What came may hold the end mark: the reader of the frame decides. If not, the last word tells why.
        Ok(End::Cut(mut raw)) => {
            raw.stderr.extend_from_slice(format!("\n{}\n", channel.connection.farewell()).as_bytes());
            Ok(raw)
        }
        Ok(End::Refused) => Err(HostError::NotRun(
            Failure::new(format!("run a script on `{}`", channel.connection.name()))
                .source("the server does not let this account run commands"),
        )),
        Err(error) => Err(error),
    }
}

async fn feed(write: &ChannelWriteHalf<Msg>, stdin: Vec<u8>) -> Result<(), russh::Error> {
    for chunk in stdin.chunks(CHUNK) {
        // Waits until the server's window has room.
        write.data_bytes(chunk.to_vec()).await?;
    }
    write.eof().await
}

/// How a channel came to its end.
enum End {
    /// The command ended.
    Ended(Raw),
    /// The channel was closed, or the connection, before anybody told how the command ended.
    Cut(Raw),
    /// The command was not started.
    Refused,
}

async fn collect(read: &mut ChannelReadHalf, output_max: usize) -> Result<End, HostError> {
    let mut raw = Raw::default();
    let mut is_at_eof = false;
    let mut ended: Option<Instant> = None;
    loop {
        let message = match ended {
            // All was said. The server is about to close, and until then it counts the channel.
            Some(_) if is_at_eof => match timeout(GOODBYE, read.wait()).await {
                Ok(message) => message,
                Err(_) => return Ok(End::Ended(raw)),
            },
            Some(at) => match timeout_at((Instant::now() + LINGER).min(at + LINGER_MAX), read.wait()).await {
                Ok(message) => message,
                Err(_) => return Ok(End::Ended(raw)),
            },
            None => read.wait().await,
        };
        match message {
            Some(ChannelMsg::Data { data }) => keep(&mut raw.stdout, &data, output_max)?,
            Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => keep_tail(&mut raw.stderr, &data),
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                raw.status = Some(i32::try_from(exit_status).unwrap_or(i32::MAX));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => raw.status = Some(128 + number(&signal_name)),
            Some(ChannelMsg::Eof) => is_at_eof = true,
            Some(ChannelMsg::Failure) => return Ok(End::Refused),
            Some(ChannelMsg::Close) | None if raw.status.is_some() => return Ok(End::Ended(raw)),
            Some(ChannelMsg::Close) | None => return Ok(End::Cut(raw)),
            Some(_) => {}
        }
        ended = ended.or_else(|| raw.status.map(|_| Instant::now()));
    }
}

fn keep(stdout: &mut Vec<u8>, data: &[u8], max: usize) -> Result<(), HostError> {
    if stdout.len() + data.len() > max {
        return Err(HostError::Bounds(Failure::new(format!("keep more than {max} bytes of output"))));
    }
    stdout.extend_from_slice(data);
    Ok(())
}

fn keep_tail(stderr: &mut Vec<u8>, data: &[u8]) {
    stderr.extend_from_slice(data);
    if stderr.len() > 2 * STDERR_MAX {
        stderr.drain(..stderr.len() - STDERR_MAX);
    }
}

/// Returns the number that a signal has on every Linux.
fn number(signal: &Sig) -> i32 {
    match signal {
        Sig::HUP => 1,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::USR1 => 10,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        Sig::TERM => 15,
        // A shell counts a signal it has no name for as the first after 128 too.
        Sig::Custom(_) => 127,
    }
}
