//! What is there on a host.

mod facts;
pub mod mounts;
pub mod services;

use chaos_core::FaultError;
use chaos_core::target::{DiscoverFilter, Inventory};

pub use facts::{TOOLS, facts};

use crate::target::ServerTarget;

/// Reads what is there, for people and programs.
///
/// # Errors
/// When the host cannot be read.
pub async fn discover(target: &ServerTarget, _filter: &DiscoverFilter) -> Result<Inventory, FaultError> {
    let data = serde_json::json!({ "host": target.facts() });
    Ok(Inventory { tables: Vec::new(), data })
}
