//! A shell on a channel, which reads one script after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chaos_core::Failure;
use futures::FutureExt;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::local::STDERR_MAX;
use super::super::{Marks, Question, Raw};
use super::connection::Connection;
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
/// How long a new shell gets to begin before it is told that nothing more comes. What a server starts in place of a shell may read
/// its input to the end, and only then say what it has to say.
const BEGIN: Duration = Duration::from_secs(5);
/// How much of the input is handed over at once.
const CHUNK: usize = 32 * 1024;
/// Extended data of this kind is standard error.
const STDERR: u32 = 1;

/// A shell, ended when it is dropped: its input is closed then. A script that it is at goes on.
pub(crate) struct Shell {
    read: ChannelReadHalf,
    write: Closing,
    /// A connection lives as long as a channel of it.
    connection: Arc<Connection>,
    command: &'static str,
    /// Whether it has answered a script.
    is_used: bool,
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
        let shell = Self { read, write: Closing(Some(write)), connection, command, is_used: false };
        let asked = shell.write.half().exec(true, command).await;
        asked.map_err(|error| shell.connection.cut(&error))?;
        Ok(shell)
    }

    /// Returns whether it was started by this command.
    pub(crate) fn is(&self, command: &str) -> bool {
        self.command == command
    }

    /// Returns whether it waits for a script, as far as anybody can tell. Waits for ever where the server does not answer.
    pub(crate) async fn is_waiting(&mut self) -> bool {
        // Had it ended, the server would have said so before it answered.
        self.connection.answers().await
            && !std::iter::from_fn(|| self.read.wait().now_or_never()).any(|message| is_end(message.as_ref()))
    }

    /// Has it run a script.
    pub(crate) async fn ask(mut self, question: &Question, output_max: usize) -> Result<Asked, HostError> {
        let is_used = std::mem::replace(&mut self.is_used, true);
        let greeting: &[u8] = if is_used { &[] } else { &question.greeting };
        let course = Course { has_begun: AtomicBool::new(is_used), ..Course::default() };
        let Self { read, write, connection, .. } = &mut self;
        let end = {
            let mut hearing = std::pin::pin!(hear(read, &question.marks, output_max, &course));
            let telling = tell(write.half(), [greeting, &*question.text].concat(), &course);
            tokio::select! {
                biased;
                end = &mut hearing => end,
                // What could not be written shows in what was answered.
                _ = telling => hearing.await,
            }
        }?;
        match end {
            End::Answered(raw) if course.is_last.into_inner() => Ok(Asked::Ended(raw)),
            End::Answered(raw) => Ok(Asked::Answered(raw, self)),
            End::Ended(raw) | End::Closed(raw) if is_used && !has_begun(&raw, &question.marks) => {
                Ok(Asked::Gone)
            }
            End::Ended(raw) => Ok(Asked::Ended(raw)),
            End::Closed(raw) | End::Cut(raw) if raw.stdout.is_empty() && raw.stderr.is_empty() => {
                Err(connection.cut(&russh::Error::HUP))
            }
            // What came may hold the end mark: the reader of the frame decides. If not, the last word tells why.
            End::Closed(mut raw) | End::Cut(mut raw) => {
                raw.stderr.extend_from_slice(format!("\n{}\n", connection.farewell()).as_bytes());
                Ok(Asked::Ended(raw))
            }
            End::Refused => Err(HostError::NotRun(
                Failure::new(format!("run a script on `{}`", connection.name()))
                    .source("the server does not let this account run commands"),
            )),
        }
    }
}

/// What becomes known of a script before its answer is complete.
#[derive(Default)]
struct Course {
    /// Whether it was begun. A shell that has answered before begins at once.
    has_begun: AtomicBool,
    /// Whether the shell was told that nothing more comes.
    is_last: AtomicBool,
}

async fn tell(write: &ChannelWriteHalf<Msg>, text: Vec<u8>, course: &Course) -> Result<(), russh::Error> {
    for chunk in text.chunks(CHUNK) {
        // Waits until the server's window has room.
        write.data_bytes(chunk.to_vec()).await?;
    }
    tokio::time::sleep(BEGIN).await;
    if !course.has_begun.load(Ordering::Relaxed) {
        course.is_last.store(true, Ordering::Relaxed);
        write.eof().await?;
    }
    Ok(())
}

fn has_begun(raw: &Raw, marks: &Marks) -> bool {
    frame::find(&raw.stdout, &marks.begin).is_some()
}

/// Returns whether a message, or that there are no more, says that a shell has ended.
fn is_end(message: Option<&ChannelMsg>) -> bool {
    use ChannelMsg::{Close, Eof, ExitSignal, ExitStatus};
    matches!(message, None | Some(Eof | Close | ExitStatus { .. } | ExitSignal { .. }))
}

/// How the answer to a script came to its end.
enum End {
    /// All of it is here.
    Answered(Raw),
    /// The shell ended.
    Ended(Raw),
    /// The server closed the channel before anybody told how the shell ended.
    Closed(Raw),
    /// The connection ended.
    Cut(Raw),
    /// The shell was not started.
    Refused,
}

async fn hear(
    read: &mut ChannelReadHalf,
    marks: &Marks,
    output_max: usize,
    course: &Course,
) -> Result<End, HostError> {
    let mut raw = Raw::default();
    let mut looked = 0;
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
            Some(ChannelMsg::Close) => return Ok(End::Closed(raw)),
            None => return Ok(End::Cut(raw)),
            Some(_) => {}
        }
        if !course.has_begun.load(Ordering::Relaxed) {
            course.has_begun.store(has_begun(&raw, marks), Ordering::Relaxed);
        }
        let is_answered = ends(&raw.stdout, &marks.end, &mut looked);
        if is_answered && frame::find(&raw.stderr, &marks.end_of_errors).is_some() {
            return Ok(End::Answered(raw));
        }
        ended = ended.or_else(|| (is_answered || raw.status.is_some()).then(Instant::now));
    }
}

/// Returns whether the mark and the line behind it have come. `looked` is where it may begin: what stands before was looked at.
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
