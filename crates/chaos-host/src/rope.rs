//! The second rope: an undo on the machine itself, with a deadline, that works when we never come back.
//!
//! Before the first effect of a step the machine gets a directory with one script that takes the effect back, and a timer that
//! runs it. The script and everything else that can act on the step take one lock, and look for `done` under it. That is why
//! a late inject cannot slip in behind an undo, and why our own undo is the very script that the deadline runs.
//!
//! The timers are monotonic: setting the clock neither fires nor delays them (`OnActiveSec=`, systemd.timer(5)), and they
//! are gone after a reboot. Effects that outlive a reboot get a unit that undoes while the machine boots.

mod answer;
mod claims;
mod text;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use answer::Answer;
pub use claims::{Claims, Other, clashing, in_force};

use crate::error::HostError;
use crate::host::{Host, Limits, Output};
use crate::script::Script;

const ARM: &str =
    concat!(include_str!("rope/lock.sh"), include_str!("rope/claims.sh"), include_str!("rope/arm.sh"));
const HOLDS_INJECT: &str =
    concat!(include_str!("rope/lock.sh"), include_str!("rope/holds.sh"), include_str!("rope/inject.sh"));
const HOLDS_LOOK: &str =
    concat!(include_str!("rope/lock.sh"), include_str!("rope/holds.sh"), include_str!("rope/look.sh"));
const HOLDS_EXTEND: &str =
    concat!(include_str!("rope/lock.sh"), include_str!("rope/holds.sh"), include_str!("rope/extend.sh"));
const PULL: &str = include_str!("rope/pull.sh");
const REMOVE: &str = concat!(include_str!("rope/lock.sh"), include_str!("rope/remove.sh"));

/// The longest that an arming is waited for.
pub const ARM_MAX: Duration = Duration::from_secs(30);
/// The longest that an undo may take: its own limit there, and the wait for its lock.
const PULL_MAX: Duration = Duration::from_secs(150);
/// The longest that taking the rope away may take.
const REMOVE_MAX: Duration = Duration::from_secs(60);

/// What runs the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RopeKind {
    /// A timer of systemd, and a boot unit where the effect outlives a reboot.
    Systemd,
    /// A process that watches the time. A reboot ends it.
    Detached,
}

/// Everything that names one rope, chosen before anything is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RopeHandle {
    /// The name of its units, unique for the step: `chaos_20261121_084512_k3vq_1`.
    pub id: String,
    /// Its directory: below `/run` where a reboot takes the effect, below `/var/lib` where not.
    pub dir: String,
    /// What runs it.
    pub kind: RopeKind,
    /// Whether the effect outlives a reboot.
    pub lasting: bool,
    /// The boot of the machine that the step was planned in.
    pub boot: String,
    /// Mount points that must be there before the undo can run at boot.
    #[serde(default)]
    pub mounts: Vec<String>,
    /// Units that the undo at boot comes after, because it needs them: `docker.service`. Without any it comes before everything
    /// of the machine's own.
    #[serde(default)]
    pub after: Vec<String>,
}

/// One rope, with the undo that it runs.
#[derive(Debug, Clone)]
pub struct Rope {
    handle: RopeHandle,
    undo: Script,
    /// Whether our own undo runs in the unit of the deadline.
    in_unit: bool,
    /// What it lets no other step have.
    claims: Claims,
    /// How long the machine has been up when an arming comes too late, in seconds.
    late: Option<u64>,
}

impl Rope {
    /// Takes the name of a rope and what it will run.
    ///
    /// `undo` prints what it did with `tell` (see [`Answer`]) and ends with 0 only when it has seen that the effect is gone. It
    /// may run at any time, any number of times, with or without an inject. It writes nothing before the effect is gone.
    pub fn new(handle: RopeHandle, undo: Script) -> Self {
        Self { handle, undo, in_unit: false, claims: Claims::default(), late: None }
    }

    /// Lets our own undo, too, run in a unit, where there is systemd: what it starts would otherwise be a part of our login, and end
    /// with it. It costs the machine a unit more.
    #[must_use]
    pub fn undoing_in_unit(mut self, in_unit: bool) -> Self {
        self.in_unit = in_unit;
        self
    }

    /// Names what the step has to itself. While it lasts, a rope that would clash with it is not armed on that machine.
    #[must_use]
    pub fn claiming(mut self, claims: Claims) -> Self {
        self.claims = claims;
        self
    }

    /// Lets an arming do nothing that comes to its work when the machine has been up for that many seconds. A script that was held up
    /// on its way goes on when nobody waits for it any more; [`ARM_MAX`] after it was sent nobody does.
    #[must_use]
    pub fn late_at(mut self, uptime: Option<u64>) -> Self {
        self.late = uptime;
        self
    }

    /// Puts undo and deadline in place and reads them back. `after` counts from now.
    ///
    /// # Errors
    /// When the machine refuses. Something may be there all the same: [`Rope::pull`] and [`Rope::remove`] clean it.
    pub async fn arm(&self, host: &Host, after: Duration) -> Result<(), HostError> {
        let text = self.undo_text();
        let script = self
            .script(ARM)
            .set("rope_seconds", after.as_secs().max(1).to_string())
            .set("undo_sum", text::sha256(&text))
            .set("undo_text", &text)
            .set("boot_text", text::boot_unit(&self.handle))
            .set("claims", self.claims.own())
            .set("against", self.claims.against())
            .set("late", self.late.map(|uptime| uptime.to_string()).unwrap_or_default());
        host.must("put the deadline in place", &script, Limits::time(ARM_MAX)).await.map(drop)
    }

    /// Acts, under the lock, and only while the deadline is in place and has not come. The output is that of `inject`.
    ///
    /// # Errors
    /// As `inject` fails, and when the rope has fired or is gone: then nothing was done.
    pub async fn inject(&self, host: &Host, inject: &Script, limits: Limits) -> Result<Output, HostError> {
        let inject = text::function("inject", inject);
        let script = self.script(HOLDS_INJECT).with_function(&inject);
        host.must("act", &script, limits).await
    }

    /// Sees that the deadline is in place and has not come, and then runs `measure`, whose output is returned. It must not act.
    ///
    /// # Errors
    /// When the deadline has come or is gone, and as `measure` fails.
    pub async fn look(&self, host: &Host, measure: &Script) -> Result<Output, HostError> {
        let measure = text::function("measure", measure);
        let script = self.script(HOLDS_LOOK).with_function(&measure);
        host.must("see the effect at the end of the hold", &script, Limits::default()).await
    }

    /// Moves the deadline to `after` from now.
    ///
    /// # Errors
    /// When the deadline has come or is gone.
    pub async fn extend(&self, host: &Host, after: Duration) -> Result<(), HostError> {
        let script = self.script(HOLDS_EXTEND).set("rope_seconds", after.as_secs().max(1).to_string());
        host.must("move the deadline", &script, Limits::default()).await.map(drop)
    }

    /// Undoes now, or learns that it was undone. Works after anything, also when nothing was ever armed.
    ///
    /// # Errors
    /// When the effect is still there; the deadline stays.
    pub async fn pull(&self, host: &Host) -> Result<Answer, HostError> {
        let text = self.undo_text();
        let pull = self.script(PULL).set("in_unit", flag(self.in_unit)).set("undo_sum", text::sha256(&text));
        let ask = async |text: &str| {
            host.must("undo", &pull.clone().set("undo_text", text), Limits::time(PULL_MAX)).await
        };
        let mut output = ask("").await?;
        if output.told("absent").next().is_some() {
            output = ask(&text).await?;
        }
        Ok(Answer::read(&output))
    }

    /// Takes the rope away after a verified undo. Idempotent.
    ///
    /// # Errors
    /// When something of it stays, or the undo has not ended.
    pub async fn remove(&self, host: &Host) -> Result<(), HostError> {
        host.must("take the deadline away", &self.script(REMOVE), Limits::time(REMOVE_MAX)).await.map(drop)
    }

    fn script(&self, text: &'static str) -> Script {
        let handle = &self.handle;
        let kind = match handle.kind {
            RopeKind::Systemd => "systemd",
            RopeKind::Detached => "detached",
        };
        Script::new(text)
            .set("rope_id", &handle.id)
            .set("rope_dir", &handle.dir)
            .set("rope_kind", kind)
            .set("rope_lasting", flag(handle.lasting))
    }

    fn undo_text(&self) -> String {
        text::undo(&self.handle, &self.undo)
    }
}

fn flag(is_set: bool) -> &'static str {
    if is_set { "1" } else { "0" }
}

#[cfg(test)]
mod tests;
