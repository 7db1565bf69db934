//! End-to-end tests: the real binary against real databases, as a user runs it, and as bad luck treats it.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

mod absence;
mod acceptance;
mod conflicts;
#[cfg(feature = "crash-points")]
mod crash;
mod documents;
mod findings_insert;
mod findings_other;
mod findings_update;
mod harness;
mod locks;
mod mistakes;
mod refusals;
mod secrets;
mod servers;
mod signals;
mod targets;
mod trouble;
mod world;
