//! Faults on Linux hosts: disks, permissions, services, processes, load, networks.
//!
//! A fault here is what it does and what takes that back, as two shell scripts that it makes from its step. [`OnHost`] does the
//! rest the same way for all: the deadline on the host before the effect, the lock between inject and undo, heartbeats in
//! long holds, the undo and its answer, and that nothing of it stays.

mod config;
mod connector;
pub mod discovery;
pub mod faults;
mod host_fault;
mod left_alone;
pub mod never;
mod on_host;
mod target;

pub use config::ServerConfig;
pub use connector::ServerConnector;
pub use host_fault::{HostFacts, HostFault};
pub use on_host::{HostStep, OnHost};
pub use target::{Facts, ServerTarget};
