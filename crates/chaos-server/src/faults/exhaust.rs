//! What faults share that take nearly all of something that a host has a limit of.

use std::time::Duration;

use chaos_core::{Failure, FaultError, Misfit};

use super::size::Percent;
use super::stress::{HostRoom, Limit};

/// How long it takes at most until all is there.
pub(super) const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// Processes of the load itself: its shells and its `sleep`.
pub(super) const OWN: u64 = 8;
/// What stays free for the host: so many, or a tenth of the limit where that is more.
const RESERVE_MIN: u64 = 1000;

/// Refuses a `max` that is not between 1 and `most`.
pub(super) fn check_max(max: u32, most: u32) -> Result<(), Misfit> {
    if (1..=most).contains(&max) {
        return Ok(());
    }
    Err(Misfit::new(format!("`max` must be 1 to {most}")).at("max"))
}

/// Returns how many are taken: a share of what is free, at most `max`, and never of the reserve. `act` completes "failed to …".
pub(super) fn count(act: &str, percent: Percent, max: u32, limit: &Limit) -> Result<u64, FaultError> {
    let free = limit.free();
    let reserve = RESERVE_MIN.max(limit.max / 10);
    let count = percent.of(free).min(free.saturating_sub(reserve)).min(max.into());
    if count > 0 {
        return Ok(count);
    }
    let Limit { max, name, .. } = limit;
    let what = format!("{act}: of {max} (`{name}`) {free} are free, and {reserve} must stay so");
    Err(FaultError::Preflight(Failure::new(what)))
}

/// Refuses what would take more than half of the memory that is available; `each` is in bytes.
pub(super) fn check_memory(count: u64, each: u64, room: &HostRoom) -> Result<(), FaultError> {
    if count * each <= room.memory_free / 2 {
        return Ok(());
    }
    let what = format!("hold {count}: that takes more than half of the memory that is available");
    Err(FaultError::Preflight(Failure::new(what).hint("set a smaller `max`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_stays() {
        let of = |percent, max, used, limit| {
            let limit = Limit { used, max: limit, name: "pids.max".to_owned() };
            let count = count("start processes", Percent::new(percent).unwrap(), max, &limit);
            count.map_err(|error| error.to_string())
        };
        assert_eq!(of(100, 2_000_000, 1000, 101_000), Ok(89_900));
        assert_eq!(of(10, 2_000_000, 1000, 101_000), Ok(10_000));
        assert_eq!(of(100, 5, 1000, 101_000), Ok(5));
        assert_eq!(of(100, 50_000, 192, 8192), Ok(7000));
        assert_eq!(of(100, 50_000, 0, 30_000), Ok(27_000));
        let why = "start processes: of 1200 (`pids.max`) 800 are free, and 1000 must stay so";
        assert!(of(100, 10, 400, 1200).unwrap_err().contains(why));
    }

    #[test]
    fn half_of_the_memory_stays() {
        let room = HostRoom { memory_free: 1 << 20, ..HostRoom::default() };
        assert!(check_memory(512, 1024, &room).is_ok());
        assert!(check_memory(513, 1024, &room).is_err());
    }

    #[test]
    fn a_max_is_bounded() {
        assert!(check_max(1, 10).is_ok() && check_max(10, 10).is_ok());
        assert!(check_max(0, 10).is_err() && check_max(11, 10).is_err());
    }
}
