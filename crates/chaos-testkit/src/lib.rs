//! What tests need: a clock that stands still, a world in memory that can die at every effect, a journal that can die at
//! every record, and the suite that every fault must pass.
//!
//! Everything here is used by tests only, so it panics where a test has to fail.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test helper that cannot go on fails its test"
)]

pub mod clock;
pub mod conformance;
pub mod fake;
pub mod fuse;
pub mod journal;
pub mod world;

pub use clock::FakeClock;
pub use fake::{FakeConnector, FakeTarget, FakeWorld, LockCells, SetCells};
pub use fuse::Fuse;
pub use journal::{CrashingJournal, Moment};
pub use world::World;
