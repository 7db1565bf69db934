//! Takes the inodes of a file system with many empty files, and gives them back.
//!
//! The files lie in one directory of ours, whose name is chosen before and cannot be anybody else's. The undo removes the
//! files that we made and the directory; what somebody else put into it stays and is reported.

use std::time::Duration;

use chaos_core::{FaultError, FaultSpec, Misfit, PrepareContext, Reversibility, Risk};
use chaos_host::{Limits, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::room::{self, Spot};
use super::size::{Percent, show};
use crate::discovery::mounts::Place;
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

const INJECT: &str = include_str!("inode_fill/inject.sh");
const MEASURE: &str = include_str!("inode_fill/measure.sh");
const UNDO: &str = include_str!("inode_fill/undo.sh");

/// What is taken when nothing is said.
const DEFAULT: u64 = 10_000;
/// The most that are taken: their undo must end within its minute.
const INODES_MAX: u64 = 1_000_000;
/// The smallest reserve when none is said.
const KEEP_MIN: u64 = 1_000;
/// What a name takes in a directory, and an inode in memory.
const BYTES_EACH: u64 = 64;
const MEMORY_EACH: u64 = 1_024;
/// The longest that taking them may take, with what comes before and after.
const INJECT_MAX: Duration = Duration::from_secs(90);

/// Takes inodes: `server.inode_fill`.
#[derive(Debug, Clone, Copy, Default)]
pub struct InodeFill;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many inodes to take, 1 to 1000000. Only one of `inodes`, `fill_percent` and `leave_free` may be given.
    /// Default: 10000.
    #[schemars(range(min = 1, max = INODES_MAX))]
    pub inodes: Option<u64>,
    /// How many of all inodes shall be taken in the end, in percent: 1 to 100. Example: `95`.
    pub fill_percent: Option<Percent>,
    /// How many inodes shall stay free, no less than the reserve: `5000`.
    pub leave_free: Option<u64>,
    /// A mount point, or a directory on the mount that is meant. Default: `/tmp`.
    pub target_mount: String,
    /// The reserve: so many inodes stay free whatever else is asked for. A mount that the host itself needs keeps at least
    /// 1000. Default: 5 % of all, but at least 1000.
    pub keep_free: Option<u64>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            inodes: None,
            fill_percent: None,
            leave_free: None,
            target_mount: "/tmp".to_owned(),
            keep_free: None,
        }
    }
}

/// One file system whose inodes are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where our directory is made.
    #[serde(flatten)]
    pub spot: Spot,
    /// How many inodes are taken.
    pub inodes: u64,
    /// How many were free.
    pub free: u64,
    /// How many stay free in any case.
    pub keep: u64,
    /// The boot in which the number of the device was read.
    pub boot: String,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "take {} of the {} free inodes of {}", self.inodes, self.free, self.spot)
    }
}

impl Step {
    fn script(&self, text: &'static str, id: &str) -> Script {
        Script::new(text)
            .set("dir", &self.spot.dir)
            .set("identity", &self.spot.identity)
            .set("name", directory(id))
            .set("count", self.inodes.to_string())
            .set("keep", self.keep.to_string())
            .set("boot", &self.boot)
    }
}

/// Returns the name of the directory that holds the files.
fn directory(id: &str) -> String {
    format!(".{id}.inodes")
}

impl HostFault for InodeFill {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.inode_fill",
        target: "server",
        summary: "Takes the inodes of a file system with empty files",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const OUTLIVES_REBOOT: bool = true;

    fn check(&self, params: &Params) -> Result<(), Misfit> {
        check_goals(params)?;
        room::check_path("target_mount", &params.target_mount)
    }

    async fn prepare(
        &self,
        _cx: &PrepareContext,
        target: &ServerTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let place = room::place(target, &params.target_mount).await?;
        target.require(&["find", "stat", "xargs"])?;
        let (inodes, keep) = amount(&place, &params)?;
        room::check_memory(&place, inodes * MEMORY_EACH)?;
        let bytes = inodes * BYTES_EACH + room::NEEDED_FREE.min(place.room.size / 20);
        if place.room.available < bytes {
            let why = format!("the names need room too: {} are available", show(place.room.available));
            return Err(room::refuse(&place, why));
        }
        Ok(vec![Step {
            inodes,
            free: place.room.inodes_free,
            spot: Spot::new(place, &params.target_mount),
            keep,
            boot: target.facts().boot_id.clone(),
        }])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        HostFacts {
            undo: format!(
                "remove one directory with {} empty files from `{}`",
                step.inodes - 1,
                step.spot.dir
            ),
            claims: vec![room::claim(&step.spot.mount, "inodes")],
            names: step.spot.names(),
            mounts: vec![step.spot.mount.clone()],
        }
    }

    fn undo(&self, step: &Step, id: &str) -> Script {
        step.script(UNDO, id)
    }

    fn inject(&self, step: &Step, id: &str) -> Script {
        step.script(INJECT, id)
    }

    fn inject_limits(&self, _step: &Step) -> Limits {
        Limits::time(INJECT_MAX)
    }

    fn measure(&self, step: &Step, id: &str) -> Option<Script> {
        Some(step.script(MEASURE, id))
    }

    fn conflict(&self, step: &Step, what: &str) -> String {
        match what {
            "name" => format!("the directory of ours in `{}`", step.spot.dir),
            _ => format!("directory `{}`", step.spot.dir),
        }
    }
}

/// Refuses goals that no file system can be brought to.
fn check_goals(params: &Params) -> Result<(), Misfit> {
    let goals = [
        ("inodes", params.inodes.is_some()),
        ("fill_percent", params.fill_percent.is_some()),
        ("leave_free", params.leave_free.is_some()),
    ];
    if goals.iter().filter(|(_, is_given)| *is_given).count() > 1 {
        return Err(room::several_goals(&goals));
    }
    if params.inodes.is_some_and(|inodes| !(1..=INODES_MAX).contains(&inodes)) {
        return Err(Misfit::new(format!("`inodes` must be 1 to {INODES_MAX}")).at("inodes"));
    }
    let keep = params.keep_free.unwrap_or(KEEP_MIN);
    match params.leave_free {
        Some(free) if free < keep => Err(room::below_reserve(&keep.to_string(), params.keep_free.is_some())),
        Some(_) | None => Ok(()),
    }
}

/// Decides how many are taken, and how many stay.
fn amount(place: &Place, params: &Params) -> Result<(u64, u64), FaultError> {
    let room = place.room;
    if room.inodes == 0 {
        return Err(room::refuse(place, "it does not count inodes: they end when its space ends"));
    }
    let keep = params.keep_free.unwrap_or((room.inodes / 20).max(KEEP_MIN));
    if room::is_needed(place) && keep < room::NEEDED_INODES {
        let why = format!(
            "the host needs this mount itself, and {} inodes must stay free there",
            room::NEEDED_INODES
        );
        return Err(room::refuse(place, why));
    }
    let used = room.inodes.saturating_sub(room.inodes_free);
    let inodes = match (params.inodes, params.fill_percent, params.leave_free) {
        (Some(inodes), _, _) => inodes,
        (_, Some(percent), _) => percent.of(room.inodes).saturating_sub(used),
        (_, _, Some(free)) => room.inodes_free.saturating_sub(free),
        (None, None, None) => DEFAULT,
    };
    if inodes == 0 {
        return Err(room::refuse(place, format!("so many are taken already: {} are free", room.inodes_free)));
    }
    if inodes > INODES_MAX {
        let why = format!("{inodes} inodes would be taken, and {INODES_MAX} is the most");
        return Err(room::refuse(place, why));
    }
    if inodes.saturating_add(keep) > room.inodes_free {
        let why = format!(
            "{} inodes are free, {inodes} would be taken, and {keep} must stay as a reserve (`keep_free`)",
            room.inodes_free
        );
        return Err(room::refuse(place, why));
    }
    Ok((inodes, keep))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_an_older_journal_still_loads_and_is_written_the_same() {
        let text = r#"{"dir":"/data","identity":"26 3","mount":"/data","file_system":"tmpfs","inodes":500,"free":9000,"keep":1000,"boot":"b1"}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&step).unwrap(), text);
        assert_eq!(step.to_string(), "take 500 of the 9000 free inodes of `/data` (tmpfs)");
    }
}
