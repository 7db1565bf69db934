//! A clock that goes when a test says so.

use std::sync::{Mutex, PoisonError};

use chaos_core::Clock;
use jiff::{SignedDuration, Timestamp};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct FakeClock(Mutex<Timestamp>);

impl FakeClock {
    /// Stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves forward.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(by).expect("a duration is never out of the range of a sum");
    }
}

impl Default for FakeClock {
    /// Stands at the morning of 21 November 2026.
    fn default() -> Self {
        Self::at(Timestamp::from_second(1_795_250_712).expect("this is a date"))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_only_when_it_is_told_to() {
        let clock = FakeClock::default();
        assert_eq!(clock.now().to_string(), "2026-11-21T08:45:12Z");
        clock.advance(SignedDuration::from_secs(60));
        assert_eq!(clock.now().to_string(), "2026-11-21T08:46:12Z");
    }
}
