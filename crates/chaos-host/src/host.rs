//! One machine, and how to act on it.

use std::sync::Arc;
use std::time::Duration;

use chaos_core::Secret;

use crate::error::HostError;
use crate::frame;
use crate::script::Script;
use crate::sudo;
use crate::transport::{Bounds, Question, Transport};

/// Runs scripts as who logged in.
const AS_USER: &str = "exec /bin/sh -s";
/// Runs scripts as root where `sudo` asks for nothing.
const SUDO: &str = "exec env LC_ALL=C sudo -n /bin/sh -s";
/// Runs scripts as root where `sudo` may ask for a password. The input begins with [`password_lines`]; `read` and `sudo` take no
/// byte more than their line.
///
/// The first `sudo` only tries the password, so that a wrong one is tried once: with more input, lines of the script would be
/// the next tries, and accounts get locked for that. The second one finds the password again and a mark behind it, and what stands
/// before the mark is thrown away: where `sudo` does not ask after all, the password must not become a command. Nothing stands
/// between it and the connection, so its end is seen.
const SUDO_PASSWORD: &str = "exec env LC_ALL=C /bin/sh -c 'IFS= read -r p; \
     printf \"%s\\n\" \"$p\" | sudo -S -k -p \"\" /bin/sh -c : || exit 1; p=; exec sudo -S -k -p \"\" \
     /bin/sh -c \"while IFS= read -r l; do case \\$l in chaos-script) exec /bin/sh -s;; esac; done\"'";

/// As whom scripts run.
#[derive(Debug, Clone)]
pub enum Become {
    /// As who logged in.
    Nobody,
    /// As root through `sudo`, with a password where it asks for one.
    Sudo(Option<Secret>),
}

/// What one script may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest it may take.
    pub time: Duration,
    /// The most bytes it may write.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(30), output: 4 << 20 }
    }
}

impl Limits {
    /// The usual ones, with another time.
    pub fn time(time: Duration) -> Self {
        Self { time, ..Self::default() }
    }
}

/// What a script wrote and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// The last of standard error.
    pub stderr: String,
}

/// One machine, and how to act on it. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    transport: Arc<dyn Transport>,
    root: Become,
}

impl Host {
    /// Acts through `transport`, as whom `root` says.
    pub fn new(transport: Arc<dyn Transport>, root: Become) -> Self {
        Self { transport, root }
    }

    /// Runs a script to its end, whatever its exit status.
    ///
    /// # Errors
    /// When it is not known how it ended: not reached, not let in, cut off, too long, too much.
    pub async fn run(&self, script: &Script, limits: Limits) -> Result<Output, HostError> {
        let nonce = format!("chaos-{:032x}", rand::random::<u128>());
        let marks = frame::marks(&nonce);
        let (command, greeting) = self.shell();
        let text = frame::wrap(script, &nonce).into_bytes();
        let question = Question { command, greeting, text, marks: marks.clone() };
        let bounds = Bounds { time: limits.time, output: limits.output };
        let raw = self.transport.ask(question, bounds).await?;
        let framed = frame::unwrap(&raw, &marks).or_else(|error| match &self.root {
            Become::Nobody => Err(error),
            Become::Sudo(None) => Err(sudo::explain(error, &raw)),
            Become::Sudo(Some(password)) => {
                // What stands in place of a shell may repeat what it was told.
                let raw = sudo::without(&raw, password);
                frame::unwrap(&raw, &marks).map_err(|error| sudo::explain(error, &raw))
            }
        })?;
        Ok(Output { status: framed.status, stdout: framed.stdout, stderr: framed.stderr })
    }

    /// Runs a script that must end with status 0. `what` completes "failed to …".
    ///
    /// # Errors
    /// As [`Host::run`], and [`HostError::Failed`] for every other status.
    pub async fn must(&self, what: &str, script: &Script, limits: Limits) -> Result<Output, HostError> {
        let output = self.run(script, limits).await?;
        output.must(what)
    }

    /// Keeps what was learnt of the machine while connecting, its key for one; called before anything is changed there.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn settle(&self) -> Result<(), HostError> {
        self.transport.settle().await
    }

    /// Returns whether the machine that was connected to answers on that very connection. Bounded to seconds.
    pub async fn answers(&self) -> bool {
        self.transport.answers().await
    }

    /// Returns what starts a shell of the right user, and what it reads before the first script.
    fn shell(&self) -> (&'static str, Vec<u8>) {
        match &self.root {
            Become::Nobody => (AS_USER, Vec::new()),
            Become::Sudo(None) => (SUDO, Vec::new()),
            Become::Sudo(Some(password)) => (SUDO_PASSWORD, password_lines(password.expose()).into_bytes()),
        }
    }
}

/// Returns what [`SUDO_PASSWORD`] reads before the first script.
fn password_lines(password: &str) -> String {
    format!("{password}\n{password}\nchaos-script\n")
}

impl Output {
    /// Returns the output where the status is 0.
    ///
    /// # Errors
    /// [`HostError::Failed`] with what the script wrote to standard error.
    pub fn must(self, what: &str) -> Result<Self, HostError> {
        if self.status == 0 {
            return Ok(self);
        }
        let said = match self.stderr.as_str() {
            "" => format!("status {} and no word", self.status),
            said => said.chars().take(500).collect(),
        };
        Err(HostError::Failed { what: what.to_owned(), status: self.status, said })
    }

    /// Returns the values of the lines that `tell KEY` wrote.
    pub fn told<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str> {
        lines(&self.stdout, key).filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// Returns the fields that `field` wrote, with what is not UTF-8 as `None`.
    pub fn fields(&self) -> Vec<Option<String>> {
        let mut fields: Vec<_> = self
            .stdout
            .split(|byte| *byte == 0)
            .map(|field| String::from_utf8(field.to_vec()).ok())
            .collect();
        // Each field is ended by a zero byte, so what stands after the last one is none.
        fields.pop();
        fields
    }
}

/// Returns the values of the lines `KEY=VALUE`. What others named in one of them may be no UTF-8.
pub(crate) fn lines<'a>(bytes: &'a [u8], key: &str) -> impl Iterator<Item = &'a [u8]> {
    let prefix = format!("{key}=").into_bytes();
    bytes.split(|byte| *byte == b'\n').filter_map(move |line| line.strip_prefix(prefix.as_slice()))
}

#[cfg(test)]
mod tests;
