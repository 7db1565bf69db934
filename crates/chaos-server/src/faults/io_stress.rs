//! Reads and writes on a file system.
//!
//! Each worker has one file of a bounded size, which loses its name as soon as it is made: when the worker ends, the kernel gives
//! the space back. Access goes past the page cache where the file system knows how; elsewhere writes are synced.

use std::fmt;
use std::time::Duration;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Failure, FaultError, FaultSpec, Misfit, Reversibility, Risk};
use chaos_host::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::room::check_path;
use super::size::{Bytes, show};
use super::stress::{HostRoom, LoadFault, Unit, check_some_workers, check_workers};
use crate::discovery::mounts;
use crate::target::ServerTarget;

const LOAD: &str = include_str!("io_stress/load.sh");
const MEASURE: &str = concat!(include_str!("stress/look.sh"), include_str!("io_stress/measure.sh"));

const MIB: u64 = 1 << 20;
/// What a worker's file may have at most.
const SIZE_MAX: u64 = 64 << 30;
/// What of the file system always stays free: so much, or a twentieth of what is free where that is more.
const RESERVE_MIN: u64 = 32 * MIB;
/// The first blocks of a slow disk take a while.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// Reads and writes on a file system: `server.io_stress`.
#[derive(Debug, Clone, Copy, Default)]
pub struct IoStress;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many processes read and write, 1 to 16 for each CPU of the host. Default: 2.
    #[schemars(range(min = 1))]
    pub workers: u32,
    /// A directory on the file system that is meant, as an absolute path. It must not be in memory, as `/tmp` is on many hosts.
    /// Default: `/var/tmp`.
    pub path: String,
    /// How large the file of each worker is, in whole MiB, at most 64 GiB. Default: 64MiB.
    pub size: Bytes,
    /// Which share of the passes over the file are reads, 0 to 100; the others are writes. Default: 50.
    #[schemars(range(min = 0, max = 100))]
    pub read_percent: u8,
}

impl Default for Params {
    fn default() -> Self {
        Self { workers: 2, path: "/var/tmp".to_owned(), size: Bytes::mib(64), read_percent: 50 }
    }
}

/// A load to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// How many workers.
    pub workers: u32,
    /// Where, without links.
    pub path: String,
    /// MiB of each worker's file.
    pub mib_each: u64,
    /// Which share of the passes are reads.
    pub read_percent: u8,
    /// When the unit ends by itself.
    pub seconds: u64,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, path, times) = (show(self.mib_each * MIB), &self.path, self.workers);
        write!(
            f,
            "read ({}%) and write {size} in `{path}` over and over, {times} times at once",
            self.read_percent
        )
    }
}

impl LoadFault for IoStress {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.io_stress",
        target: "server",
        summary: "Reads and writes on a file system",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };
    const KIND: &'static str = "io";

    fn check(given: &Params) -> Result<(), Misfit> {
        check_path("path", &given.path)?;
        if given.read_percent > 100 {
            return Err(Misfit::new("`read_percent` must be 0 to 100").at("read_percent"));
        }
        if given.size.get() > SIZE_MAX {
            return Err(Misfit::new(format!("`size` must be at most {}", show(SIZE_MAX))).at("size"));
        }
        check_some_workers(given.workers)
    }

    async fn choose(
        target: &ServerTarget,
        given: Params,
        room: &HostRoom,
        seconds: u64,
    ) -> Result<Step, FaultError> {
        check_workers(given.workers, room)?;
        target.require(&["dd", "stat"])?;
        let (path, free) = place(target, &given.path).await?;
        let mib_each = given.size.get().div_ceil(MIB);
        check_space(&path, mib_each * MIB * u64::from(given.workers), free)?;
        let (workers, read_percent) = (given.workers, given.read_percent);
        Ok(Step { workers, path, mib_each, read_percent, seconds })
    }

    fn unit(step: &Step, id: &str) -> Unit {
        let numbers = [step.mib_each, step.read_percent.into()].map(|number| number.to_string());
        let words = [step.workers.to_string(), step.path.clone(), id.to_owned()];
        Unit::shell(step.seconds, LOAD, words.into_iter().chain(numbers))
    }

    fn look(step: &Step, id: &str) -> Script {
        Script::new(MEASURE).set("id", id).set("workers", step.workers.to_string())
    }

    fn settled_within(_step: &Step) -> Duration {
        SETTLED_WITHIN
    }

    fn names(step: &Step) -> Vec<TargetName> {
        vec![TargetName::new(NameKind::Path, &step.path)]
    }

    fn files(step: &Step, id: &str) -> Vec<String> {
        let place = step.path.trim_end_matches('/');
        (1..=step.workers).map(|number| format!("{place}/{id}-load-{number}")).collect()
    }
}

fn check_space(path: &str, wanted: u64, free: u64) -> Result<(), FaultError> {
    let reserve = RESERVE_MIN.max(free / 20);
    if wanted.saturating_add(reserve) <= free {
        return Ok(());
    }
    let (wanted, reserve, free) = (show(wanted), show(reserve), show(free));
    let what = format!("write {wanted} in `{path}` and leave {reserve}: {free} are free");
    Err(FaultError::Preflight(Failure::new(what).hint("ask for a smaller `size` or fewer `workers`")))
}

/// Returns the path without links, and how many bytes are free there.
async fn place(target: &ServerTarget, path: &str) -> Result<(String, u64), FaultError> {
    let place = mounts::place(target.host(), path).await?;
    let why = match &place.mount {
        mount if mount.is_read_only() || mount.is_pseudo() || !place.is_writable => {
            "it cannot be written to".to_owned()
        }
        mount if mount.is_memory() => format!("it is in memory ({})", mount.kind),
        mount if mount.is_remote() => "it is not on the host itself, so others would be hit too".to_owned(),
        _ => return Ok((place.real, place.room.available)),
    };
    let failure = Failure::new(format!("read and write in `{path}`")).source(why);
    Err(FaultError::Preflight(failure.hint("name a directory on a disk of the host in `path`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_space_always_stays() {
        assert!(check_space("/x", 100 * MIB, 140 * MIB).is_ok());
        assert!(check_space("/x", 100 * MIB, 131 * MIB).is_err());
        assert!(check_space("/x", 97 << 30, 100 << 30).is_err());
        assert!(check_space("/x", u64::MAX, 100 << 30).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let params = Params::default;
        assert!(IoStress::check(&params()).is_ok());
        assert!(IoStress::check(&Params { path: "tmp".to_owned(), ..params() }).is_err());
        assert!(IoStress::check(&Params { path: "-o /tmp".to_owned(), ..params() }).is_err());
        assert!(IoStress::check(&Params { read_percent: 101, ..params() }).is_err());
        assert!(IoStress::check(&Params { size: Bytes::new(SIZE_MAX + 1).unwrap(), ..params() }).is_err());
    }

    #[test]
    fn a_step_of_an_older_journal_still_loads() {
        let text = r#"{"workers":2,"path":"/ext","mib_each":1,"read_percent":50,"seconds":123}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(step.to_string(), "read (50%) and write 1 MiB in `/ext` over and over, 2 times at once");
    }
}
