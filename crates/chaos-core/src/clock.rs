//! Where the time comes from, so that tests can hold it still.

use jiff::Timestamp;

/// A source of wall-clock time. Durations are measured with the runtime's own timer, which tests can pause.
pub trait Clock: Send + Sync + 'static {
    /// Returns the present moment.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
