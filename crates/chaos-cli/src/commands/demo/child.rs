//! The stage of the demo: starts the real command, shows what it says, and watches the shop meanwhile.

use std::path::{Path, PathBuf};
use std::process::{Output as ChildOutput, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use chaos_core::ExitCode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::is_painted;
use super::shop::{Shop, Sight};
use crate::args::OutputForm;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::Output;

/// The longest that a command may take. The acts hold for a second and a half.
const COMMAND_MAX: Duration = Duration::from_secs(60);
/// The longest that is waited for a fault to show.
const SEEN_MAX: Duration = Duration::from_secs(20);
/// What the run says when all faults are in.
const HOLDING: &str = "hold for";
/// No process is on stage.
const NOBODY: i32 = 0;

/// Where commands are started, and their words are shown.
pub struct Stage {
    program: PathBuf,
    scratch: PathBuf,
    output: Output,
    on_stage: AtomicI32,
}

impl Stage {
    /// Prepares the scratch directory. The user's own policy does not count here: it guards what matters to them.
    pub fn new(scratch: &Path, output: Output) -> Result<Self, CliError> {
        let program = std::env::current_exe()
            .map_err(|error| CliError::new(Code::Demo, "find this program").because(&error))?;
        let config = scratch.join("config/chaos");
        let policy = config.join("policy.yaml");
        std::fs::create_dir_all(&config)
            .and_then(|()| std::fs::write(&policy, "production: {words: []}\n"))
            .map_err(|error| CliError::file("write", &policy, &error))?;
        Ok(Self { program, scratch: scratch.to_owned(), output, on_stage: AtomicI32::new(NOBODY) })
    }

    /// Writes a file with one experiment, and returns where it is.
    pub fn experiment(&self, name: &str, skills: &str, hold: &str) -> Result<PathBuf, CliError> {
        let path = self.scratch.join(format!("{name}.yaml"));
        let shop = self.scratch.join("shop.db");
        let text = format!(
            "experiments:\n  - name: {name}\n    target: database\n    target_config:\n      \
             connection_url: \"sqlite://{}\"\n      db_type: sqlite\n    skills:\n{skills}    duration: {hold}\n",
            shop.display()
        );
        std::fs::write(&path, text).map_err(|error| CliError::file("write", &path, &error))?;
        Ok(path)
    }

    /// Says a line. A program that reads gets everything at the end instead.
    pub fn say(&self, line: &str) -> Result<(), CliError> {
        match self.output.form {
            OutputForm::Text => self.output.print(&format!("{line}\n")),
            OutputForm::Json => Ok(()),
        }
    }

    /// Says the title of an act.
    pub fn title(&self, title: &str) -> Result<(), CliError> {
        self.say(&format!("\n{}", self.paint(title)))
    }

    /// Makes a line stand out.
    pub fn paint(&self, line: &str) -> String {
        if is_painted(&self.output) { format!("\u{1b}[1m{line}\u{1b}[0m") } else { line.to_owned() }
    }

    /// Starts a command.
    pub async fn start(&self, arguments: &[&str]) -> Result<Running<'_>, CliError> {
        let shown: Vec<&str> = arguments.iter().map(|argument| file_name(argument)).collect();
        self.say(&format!("  $ chaos {}", shown.join(" ").replace(" --output json", "")))?;
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env("CHAOS_STATE_DIR", self.scratch.join("state"))
            .env("XDG_CONFIG_HOME", self.scratch.join("config"))
            .env_remove("CHAOS_POLICY")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| CliError::new(Code::Demo, "start this program again").because(&error))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(NOBODY);
        self.on_stage.store(pid, Ordering::SeqCst);
        let (holding, is_holding) = watch::channel(false);
        let told = child.stderr.take().map(|stderr| tokio::spawn(listen(stderr, holding, self.output)));
        Ok(Running { stage: self, child, told, is_holding })
    }

    /// Runs a command to its end and shows what it printed.
    pub async fn call(&self, arguments: &[&str]) -> Result<Ended, CliError> {
        let ended = self.start(arguments).await?.end().await?;
        for line in ended.stdout.lines() {
            self.say(&format!("    {line}"))?;
        }
        Ok(ended)
    }

    /// Asks whoever is on stage to stop and roll back.
    pub fn interrupt(&self) {
        match self.on_stage.load(Ordering::SeqCst) {
            NOBODY => {}
            // It may have ended meanwhile; then there is nothing to stop.
            pid => drop(kill(Pid::from_raw(pid), Signal::SIGTERM)),
        }
    }
}

/// Shows what the command says while it works, and notices when the hold begins.
async fn listen(stderr: tokio::process::ChildStderr, holding: watch::Sender<bool>, output: Output) {
    let mut lines = BufReader::new(stderr).lines();
    // An end that is not clean is seen at the exit code.
    while let Ok(Some(line)) = lines.next_line().await {
        if line.starts_with(HOLDING) {
            holding.send_replace(true);
        }
        if output.form == OutputForm::Text {
            // Where stdout is gone the acts notice it too.
            let _ = output.print(&format!("    {line}\n"));
        }
    }
}

fn file_name(argument: &str) -> &str {
    Path::new(argument).file_name().and_then(|name| name.to_str()).unwrap_or(argument)
}

/// A command on stage.
pub struct Running<'a> {
    stage: &'a Stage,
    child: Child,
    told: Option<JoinHandle<()>>,
    is_holding: watch::Receiver<bool>,
}

impl Running<'_> {
    /// Waits until all faults are in, and returns what the shop looks like then.
    pub async fn until_holding(&mut self, shop: &Shop, before: &Sight) -> Result<Sight, CliError> {
        let holding = self.is_holding.wait_for(|holding| *holding);
        match tokio::time::timeout(SEEN_MAX, holding).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return Err(unseen()),
        }
        let seen = shop.look()?;
        if seen == *before { Err(unseen()) } else { Ok(seen) }
    }

    /// Kills it, as a power cut would.
    pub async fn kill(mut self) -> Result<(), CliError> {
        let killed = self.child.kill().await;
        self.stage.on_stage.store(NOBODY, Ordering::SeqCst);
        killed.map_err(|error| CliError::new(Code::Demo, "kill the run").because(&error))
    }

    /// Waits for its end.
    pub async fn end(self) -> Result<Ended, CliError> {
        let Self { stage, child, told, .. } = self;
        let ended = tokio::time::timeout(COMMAND_MAX, child.wait_with_output()).await;
        stage.on_stage.store(NOBODY, Ordering::SeqCst);
        if let Some(told) = told {
            // Its words end with it.
            let _ = told.await;
        }
        match ended {
            Ok(Ok(output)) => Ok(Ended::from(output)),
            Ok(Err(error)) => Err(CliError::new(Code::Demo, "wait for the command").because(&error)),
            Err(_) => Err(CliError::new(Code::Demo, "wait any longer for the command")),
        }
    }
}

fn unseen() -> CliError {
    CliError::new(Code::Demo, "see the fault in the shop; the lines above say why")
}

/// A command that has ended.
pub struct Ended {
    code: Option<i32>,
    stdout: String,
}

impl From<ChildOutput> for Ended {
    fn from(output: ChildOutput) -> Self {
        Self { code: output.status.code(), stdout: String::from_utf8_lossy(&output.stdout).into_owned() }
    }
}

impl Ended {
    /// Checks how it ended.
    pub fn must_be(&self, exit: ExitCode) -> Result<(), CliError> {
        if self.code == Some(i32::from(exit.code())) {
            return Ok(());
        }
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        Err(CliError::new(
            Code::Demo,
            format!("finish the act: the command ended with {code}, not {}", exit.code()),
        ))
    }

    /// Returns what it printed, as JSON.
    pub fn json(&self) -> Result<Value, CliError> {
        serde_json::from_str(&self.stdout)
            .map_err(|error| CliError::new(Code::Demo, "read the report of the act").because(&error))
    }
}
