//! The faults on real SQLite files: exact undo, conflicts, refusals, crashes.
#![expect(clippy::unwrap_used, reason = "a test ends where something is off")]

#[path = "sqlite/connect.rs"]
mod connect;
#[path = "sqlite/crash.rs"]
mod crash;
#[path = "sqlite/insert.rs"]
mod insert;
#[path = "sqlite/others.rs"]
mod others;
#[path = "sqlite/scale.rs"]
mod scale;
#[path = "sqlite/update.rs"]
mod update;
#[path = "sqlite/world.rs"]
mod world;
