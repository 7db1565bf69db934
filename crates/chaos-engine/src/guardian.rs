//! The guardian: a small process that stands by while a run lives, and undoes it at once when it dies.
//!
//! It is started before the first effect as `chaos __guardian`, in a session of its own. What it needs comes through a pipe
//! on its standard input, so nothing secret stands in its arguments or environment. The pipe is also how it learns of the
//! end: a line `done` means that the run has ended and undone everything itself, the end of the pipe that it is dead.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use chaos_core::record::Undoer;
use chaos_core::{Catalog, ExitCode, Plan, SystemClock};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::engine::{ConfigLoader, Engine, EngineOptions};
use crate::events::Silent;
use crate::recover::Credentials;
use crate::state_dir::StateDir;

/// The hidden command that the guardian is started with.
pub const COMMAND: &str = "__guardian";
/// The longest that a guardian may take to be ready.
const READY_MAX: Duration = Duration::from_secs(10);
/// The longest that a dismissed guardian may take to end.
const DISMISS_MAX: Duration = Duration::from_secs(5);
/// The longest ticket that is read, in bytes.
const TICKET_MAX: u64 = 64 * 1024 * 1024;
/// Environment variables that a guardian keeps: where libraries look for certificates, the resolver for names, and SSH for
/// its agent.
const KEPT_VARIABLES: [&str; 8] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LOCALDOMAIN",
    "RES_OPTIONS",
    "SSH_AUTH_SOCK",
];

/// Everything that a guardian needs to undo a run. Holds secrets; travels through the pipe only.
#[derive(Serialize, Deserialize)]
pub struct Ticket {
    /// The state directory.
    pub state_dir: PathBuf,
    /// The plan: the journal that holds it too may be removed while the run lives.
    pub plan: Plan,
    /// The resolved configurations of the targets of each experiment, in the order of its plan.
    pub configs: Vec<Vec<Value>>,
}

/// A guardian that stands by.
pub struct Guardian {
    child: Child,
    pipe: ChildStdin,
    pid: u32,
}

impl Guardian {
    /// Starts a guardian and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started or does not become ready.
    pub async fn start(program: &Path, ticket: &Ticket) -> io::Result<Self> {
        let kept = KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(program)
            .arg(COMMAND)
            .env_clear()
            .envs(kept)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let ended = || io::Error::other("it ended at once");
        let pid = child.id().ok_or_else(ended)?;
        let mut pipe = child.stdin.take().ok_or_else(ended)?;
        let mut answers = BufReader::new(child.stdout.take().ok_or_else(ended)?);
        let mut line = serde_json::to_vec(ticket)?;
        line.push(b'\n');
        let shake_hands = async {
            pipe.write_all(&line).await?;
            let mut answer = String::new();
            answers.read_line(&mut answer).await?;
            if answer == "ready\n" { Ok(()) } else { Err(ended()) }
        };
        let ready = tokio::time::timeout(READY_MAX, shake_hands).await;
        let ready = ready.unwrap_or_else(|_| Err(io::Error::other("it is not ready in time")));
        if let Err(error) = ready {
            // It guards nothing yet. An error means that it is gone already.
            let _ = child.start_kill();
            return Err(error);
        }
        Ok(Self { child, pipe, pid })
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Tells the guardian that the run is over, and waits for its end.
    pub async fn dismiss(mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            tracing::warn!(%status, "The guardian was gone before the run was over.");
            return;
        }
        // An error means that it is gone already.
        let _ = self.pipe.write_all(b"done\n").await;
        let _ = self.pipe.shutdown().await;
        drop(self.pipe);
        match tokio::time::timeout(DISMISS_MAX, self.child.wait()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "The guardian's end could not be seen."),
            Err(_) => {
                tracing::warn!(pid = self.pid, "The guardian does not end; it will find nothing to do.")
            }
        }
    }
}

/// Is the guardian, until the run ends. The surface calls this for [`COMMAND`] inside a runtime.
pub async fn main(catalog: Catalog, loader: Arc<dyn ConfigLoader>) -> ExitCode {
    match stand_by(catalog, loader).await {
        Ok(exit) => exit,
        Err(error) => {
            tracing::error!(%error, "The guardian failed.");
            ExitCode::LeftBehind
        }
    }
}

async fn stand_by(catalog: Catalog, loader: Arc<dyn ConfigLoader>) -> io::Result<ExitCode> {
    // An error means that we lead a session already.
    let _ = nix::unistd::setsid();
    // Whoever ends the run by a signal to its group or terminal shall not end us: the undo is never cancelled.
    let _deaf = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate(), SignalKind::pipe()]
        .map(signal)
        .into_iter()
        .collect::<io::Result<Vec<_>>>()?;
    let mut input = BufReader::new(tokio::io::AsyncReadExt::take(tokio::io::stdin(), TICKET_MAX));
    let mut line = String::new();
    input.read_line(&mut line).await?;
    let ticket: Ticket = serde_json::from_str(&line)?;
    line.clear();
    say_ready().await?;
    input.read_line(&mut line).await?;
    if line == "done\n" {
        return Ok(ExitCode::Done);
    }
    take_over(catalog, loader, ticket).await
}

async fn say_ready() -> io::Result<()> {
    let mut output = tokio::io::stdout();
    output.write_all(b"ready\n").await?;
    output.flush().await
}

async fn take_over(catalog: Catalog, loader: Arc<dyn ConfigLoader>, ticket: Ticket) -> io::Result<ExitCode> {
    if ticket.plan.experiments.is_empty() {
        return Ok(ExitCode::Done);
    }
    let state = StateDir::resolve(Some(ticket.state_dir)).map_err(io::Error::other)?;
    let options = EngineOptions::default();
    let engine = Engine::new(catalog, state, Arc::new(Silent), loader, Arc::new(SystemClock), options);
    let credentials = Credentials::InMemory(ticket.configs);
    let recovered = engine.undo_planned(&ticket.plan, Undoer::Guardian, &credentials).await;
    recovered.map(|outcome| outcome.exit).map_err(io::Error::other)
}
