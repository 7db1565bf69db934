//! Servers: the real binary against real hosts over real SSH.

mod bed;
mod conflict;
#[cfg(feature = "crash-points")]
mod containers;
#[cfg(feature = "crash-points")]
mod crash;
mod cut;
mod example;
mod guardian;
mod local;
mod many;
mod mixed;
mod together;
mod traces;

#[path = "../../../../chaos-server/tests/world/mod.rs"]
mod hosts;

pub use bed::{Bed, Set};
