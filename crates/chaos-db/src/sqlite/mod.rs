//! SQLite: connection, discovery and helper tables.

pub(crate) mod catalog;
pub(crate) mod compare;
pub(crate) mod declared;
mod discover;
pub(crate) mod error;
pub(crate) mod helper;
mod place;
pub(crate) mod preflight;
pub(crate) mod rows;
pub(crate) mod sql;
pub(crate) mod target;
pub(crate) mod transaction;
pub(crate) mod undo;

pub use helper::Helper;
pub use place::{absolute, check as check_url, is_place, recall};
pub use target::SqliteTarget;
