//! Fills a file system up to a chosen level, and gives the space back.
//!
//! The space is taken by a file without a name that a process of ours holds open. Nothing has to be found and removed later:
//! when the process ends, whatever ends it, the kernel frees the space; also after a reboot. It runs in a unit of its own, with
//! a time after which systemd ends it.

mod amount;

use std::time::Duration;

use chaos_core::{
    Effect, Failure, FaultError, FaultSpec, Misfit, PrepareContext, Reversibility, Risk, StepContext,
};
use chaos_host::{Limits, Output, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::room::{self, Spot};
use super::size::{Bytes, Percent, show};
use crate::host_fault::{HostFacts, HostFault, effect};
use crate::target::ServerTarget;

const FILLER: &str = include_str!("disk_fill/filler.sh");
const INJECT: &str = concat!(include_str!("disk_fill/common.sh"), include_str!("disk_fill/inject.sh"));
const LOOK: &str = concat!(include_str!("disk_fill/common.sh"), include_str!("disk_fill/look.sh"));
const UNDO: &str = concat!(include_str!("disk_fill/common.sh"), include_str!("disk_fill/undo.sh"));

/// How long the space may stay taken beyond the hold, should nothing else end it: time to write it, and for our own undo.
const BEYOND: Duration = Duration::from_secs(3600);
/// File systems that reserve by noting it down; memory is cleared, which takes longer.
const AT_ONCE: [&str; 5] = ["ext4", "xfs", "btrfs", "f2fs", "tmpfs"];
/// The most bytes that they reserve in a moment.
const AT_ONCE_MAX: u64 = 1 << 30;
/// The longest that writing may take.
const WRITE_MAX: Duration = Duration::from_secs(1800);
/// A disk that takes nothing for so long will not take the rest.
const STALL_MAX: Duration = Duration::from_secs(60);
/// Between two looks at how much is written.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Fills a file system: `server.disk_fill`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFill;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How much to take: a number of bytes, or a text with a unit (`GB` is 1000³ bytes, `GiB` 1024³): `512MiB`. Only one of
    /// `size`, `fill_percent` and `leave_free` may be given. Default: `1GB`.
    pub size: Option<Bytes>,
    /// How full the file system shall be, in percent of what others than root may use, as `df` counts: 1 to 100.
    /// Example: `95`.
    pub fill_percent: Option<Percent>,
    /// How much shall stay available to others than root, no less than the reserve: `200MiB`.
    pub leave_free: Option<Bytes>,
    /// A mount point, or a directory on the mount that is meant. Other mounts below it are not touched. Default: `/tmp`.
    pub target_mount: String,
    /// The reserve: so much stays available whatever else is asked for. A mount that the host itself needs (`/`, `/run`,
    /// `/var/lib`, `/etc`, `/var/log`) keeps at least 64 MiB. Default: 5 % of the file system, but at least `100MiB`.
    pub keep_free: Option<Bytes>,
    /// How the space is taken: `fallocate` reserves it at once, `write` writes it, and `auto` writes where the file system
    /// cannot reserve. Default: `auto`.
    pub method: Method,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            size: None,
            fill_percent: None,
            leave_free: None,
            target_mount: "/tmp".to_owned(),
            keep_free: None,
            method: Method::Auto,
        }
    }
}

/// How the space is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Reserved where the file system can do that, else written.
    Auto,
    /// Reserved.
    Fallocate,
    /// Written.
    Write,
}

impl Method {
    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fallocate => "fallocate",
            Self::Write => "write",
        }
    }
}

/// What holds the space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A unit of systemd.
    Unit,
    /// A process of its own.
    Process,
}

/// One file system to fill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where the file is made.
    #[serde(flatten)]
    pub spot: Spot,
    /// How many bytes are taken.
    pub bytes: u64,
    /// How many bytes were available.
    pub available: u64,
    /// How many bytes stay available in any case.
    pub keep: u64,
    /// How the space is taken.
    pub method: Method,
    /// What holds it.
    pub holder: Holder,
    /// After how many seconds the holder ends by itself.
    pub seconds_max: u64,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (bytes, available) = (show(self.bytes), show(self.available));
        write!(f, "take {bytes} of the {available} available on {}", self.spot)
    }
}

impl Step {
    /// Returns whether the file system certainly reserves this in a moment. Others write, or ask a server.
    fn is_reserved_at_once(&self) -> bool {
        self.bytes <= AT_ONCE_MAX && AT_ONCE.contains(&self.spot.file_system.as_str())
    }

    fn script(&self, text: &'static str, id: &str) -> Script {
        let holder = match self.holder {
            Holder::Unit => "unit",
            Holder::Process => "process",
        };
        Script::new(text)
            .set("id", id)
            .set("kind", holder)
            .set("bytes", self.bytes.to_string())
            .set("dir", &self.spot.dir)
            .set("identity", &self.spot.identity)
            .set("name", format!(".{id}.fill"))
    }
}

impl HostFault for DiskFill {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.disk_fill",
        target: "server",
        summary: "Fills a file system up to a chosen level",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const OUTLIVES_REBOOT: bool = false;

    fn check(&self, params: &Params) -> Result<(), Misfit> {
        amount::goal(params)?;
        amount::check_free(params)?;
        room::check_path("target_mount", &params.target_mount)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let goal = amount::goal(&params)?;
        let place = room::place(target, &params.target_mount).await?;
        if params.method == Method::Fallocate {
            target.require(&["fallocate"])?;
        }
        let amount = amount::amount(&place, goal, params.keep_free)?;
        room::check_memory(&place, amount.bytes)?;
        let has_systemd = target.facts().has_systemd;
        Ok(vec![Step {
            bytes: amount.bytes,
            available: place.room.available,
            spot: Spot::new(place, &params.target_mount),
            keep: amount.keep,
            method: if target.has("fallocate") { params.method } else { Method::Write },
            holder: if has_systemd { Holder::Unit } else { Holder::Process },
            seconds_max: (cx.hold + BEYOND).as_secs(),
        }])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        let holder = match step.holder {
            Holder::Unit => "the unit",
            Holder::Process => "the process",
        };
        HostFacts {
            undo: format!("stop {holder} that holds an unlinked file on `{}`", step.spot.mount),
            claims: vec![room::claim(&step.spot.mount, "space")],
            names: step.spot.names(),
            mounts: Vec::new(),
        }
    }

    fn undo(&self, step: &Step, id: &str) -> Script {
        step.script(UNDO, id)
    }

    fn inject(&self, step: &Step, id: &str) -> Script {
        step.script(INJECT, id)
            .set("keep", step.keep.to_string())
            .set("method", step.method.word())
            .set("starts", if step.is_reserved_at_once() { "full" } else { "begun" })
            .set("seconds", step.seconds_max.to_string())
            .set("filler", FILLER)
    }

    async fn settle(
        &self,
        cx: &StepContext,
        target: &ServerTarget,
        step: &Step,
        id: &str,
        output: Output,
    ) -> Result<Effect, FaultError> {
        let mut done = effect(&output);
        let is_full = |taken: u64| taken >= step.bytes / 100 * 95;
        if is_full(taken(&output)) {
            return Ok(done);
        }
        let start = tokio::time::Instant::now();
        let (mut most, mut grown) = (0, start);
        loop {
            let seen = target.host().run(&step.script(LOOK, id), Limits::default()).await?;
            let now = tokio::time::Instant::now();
            if seen.status != 0 && seen.status != 75 {
                seen.must("fill the file system")?;
                return Ok(done);
            }
            cx.progress.report("bytes", taken(&seen).min(step.bytes), step.bytes);
            if seen.status == 0 {
                done.0.extend(effect(&seen).0);
                return Ok(done);
            }
            if taken(&seen) > most {
                (most, grown) = (taken(&seen), now);
            }
            if now - grown > STALL_MAX || now - start > WRITE_MAX {
                let what =
                    format!("fill `{}`: {} of {} taken", step.spot.mount, show(most), show(step.bytes));
                let why =
                    if now - start > WRITE_MAX { "it took too long" } else { "nothing more is written" };
                return Err(FaultError::Target(Failure::new(what).source(why)));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = cx.cancel.cancelled() => return Err(FaultError::Cancelled),
            }
        }
    }

    fn measure(&self, step: &Step, id: &str) -> Option<Script> {
        Some(step.script(LOOK, id))
    }
}

/// Returns how many bytes a script saw taken.
fn taken(output: &Output) -> u64 {
    output.told("taken").last().and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_leaves_the_words_of_the_filler_as_they_are() {
        // It puts values of its own in the place of `${x}`, and one `$` in the place of two.
        assert!(!FILLER.contains("${") && !FILLER.contains("$$"), "escape them, as for the units of loads");
    }

    #[test]
    fn a_step_of_an_older_journal_still_loads_and_is_written_the_same() {
        let text = r#"{"dir":"/data/x","identity":"26 3","written":"/link","mount":"/data","file_system":"tmpfs","bytes":1048576,"available":2097152,"keep":65536,"method":"auto","holder":"unit","seconds_max":3660}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&step).unwrap(), text);
        let line = "take 1 MiB of the 2 MiB available on `/data` (tmpfs), in `/data/x`; `/link` leads there through a symbolic link";
        assert_eq!(step.to_string(), line);
    }
}
