//! What a shell says to a script, message by message, and how that comes to its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chaos_core::Failure;
use russh::{ChannelMsg, ChannelReadHalf, Sig};
use tokio::time::{Instant, timeout_at};

use super::super::local::STDERR_MAX;
use super::super::{Marks, Raw};
use crate::error::HostError;
use crate::frame;

/// How long the end of the output may come after the end of the shell, and the end of the errors after that of the output. A process
/// left in the background may hold the output open for ever, and what it writes is no answer to us.
const LINGER: Duration = Duration::from_secs(2);
/// How long output may go on after the end. What was written may still be on its way over a slow line; what somebody in the
/// background writes never ends.
const LINGER_MAX: Duration = Duration::from_secs(15);
/// How long the server gets to close the channel after it said all.
const GOODBYE: Duration = Duration::from_millis(200);
/// Extended data of this kind is standard error.
const STDERR: u32 = 1;

/// How the answer to a script came to its end.
#[derive(Debug)]
pub(super) enum End {
    /// All of it is here, and the shell lives.
    Answered(Raw),
    /// The shell ended, and all that it said is here.
    Ended(Raw),
    /// The shell or the answer ended, and then nothing came for a while. Something may still be on its way.
    Silent(Raw),
    /// The server closed the channel before anybody told how the shell ended.
    Closed(Raw),
    /// The connection ended.
    Cut(Raw),
    /// The shell was not started.
    Refused,
}

/// Listens until the answer has its end marks, or no more of it comes. `has_begun` says meanwhile whether the first mark has come.
pub(super) async fn hear(
    read: &mut ChannelReadHalf,
    marks: &Marks,
    output_max: usize,
    has_begun: &AtomicBool,
) -> Result<End, HostError> {
    let mut heard = Heard::new(marks, output_max);
    loop {
        let message = match heard.until() {
            None => read.wait().await,
            Some(until) => match timeout_at(until, read.wait()).await {
                Ok(message) => message,
                Err(_) => return Ok(heard.silent()),
            },
        };
        let end = heard.take(message)?;
        has_begun.store(heard.has_begun, Ordering::Relaxed);
        if let Some(end) = end {
            return Ok(end);
        }
    }
}

/// What was heard so far.
struct Heard<'a> {
    marks: &'a Marks,
    output_max: usize,
    raw: Raw,
    /// Whether the first mark has come, on either output.
    has_begun: bool,
    /// Where the end mark may begin: what stands before was looked at.
    looked: usize,
    is_at_eof: bool,
    /// When the shell or the answer ended.
    ended: Option<Instant>,
}

impl<'a> Heard<'a> {
    fn new(marks: &'a Marks, output_max: usize) -> Self {
        let raw = Raw::default();
        Self { marks, output_max, raw, has_begun: false, looked: 0, is_at_eof: false, ended: None }
    }

    /// Returns until when to wait for the next message; for ever when nothing.
    fn until(&self) -> Option<Instant> {
        let now = Instant::now();
        self.ended.map(|ended| match self.is_at_eof {
            // All was said. The server is about to close, and until then it counts the channel.
            true => now + GOODBYE,
            false => (now + LINGER).min(ended + LINGER_MAX),
        })
    }

    /// Returns how it ended when no message has come until then.
    fn silent(self) -> End {
        if self.is_at_eof { End::Ended(self.raw) } else { End::Silent(self.raw) }
    }

    /// Takes a message, or that there are no more, and returns the end where that is one.
    fn take(&mut self, message: Option<ChannelMsg>) -> Result<Option<End>, HostError> {
        match message {
            Some(ChannelMsg::Data { data }) => keep(&mut self.raw.stdout, &data, self.output_max)?,
            Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => {
                keep_tail(&mut self.raw.stderr, &data);
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                self.raw.status = Some(i32::try_from(exit_status).unwrap_or(i32::MAX));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                self.raw.status = Some(128 + number(&signal_name));
            }
            Some(ChannelMsg::Eof) => self.is_at_eof = true,
            Some(ChannelMsg::Failure) => return Ok(Some(End::Refused)),
            Some(ChannelMsg::Close) if self.raw.status.is_some() => return Ok(Some(End::Ended(self.raw()))),
            Some(ChannelMsg::Close) => return Ok(Some(End::Closed(self.raw()))),
            None if self.is_at_eof && self.raw.status.is_some() => return Ok(Some(End::Ended(self.raw()))),
            None => return Ok(Some(End::Cut(self.raw()))),
            Some(_) => {}
        }
        Ok(self.look())
    }

    fn look(&mut self) -> Option<End> {
        let Self { raw, marks, .. } = self;
        let begins = |output: &[u8]| frame::find(output, &marks.begin).is_some();
        self.has_begun = self.has_begun || begins(&raw.stdout) || begins(&raw.stderr);
        let is_answered = ends(&raw.stdout, &marks.end, &mut self.looked);
        // A shell that has ended is none that waits, even if it has answered before.
        let lives = raw.status.is_none() && !self.is_at_eof;
        if is_answered && lives && frame::find(&raw.stderr, &marks.end_of_errors).is_some() {
            return Some(End::Answered(self.raw()));
        }
        let is_over = is_answered || raw.status.is_some();
        self.ended = self.ended.or_else(|| is_over.then(Instant::now));
        None
    }

    fn raw(&mut self) -> Raw {
        std::mem::take(&mut self.raw)
    }
}

/// Returns whether the mark and the line behind it have come.
fn ends(stdout: &[u8], mark: &[u8], looked: &mut usize) -> bool {
    match frame::find(&stdout[*looked..], mark) {
        Some(at) => {
            *looked += at;
            stdout[*looked + mark.len()..].contains(&b'\n')
        }
        None => {
            *looked = stdout.len().saturating_sub(mark.len()).max(*looked);
            false
        }
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

#[cfg(test)]
mod tests;
