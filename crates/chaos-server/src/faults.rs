//! The faults on servers: one folder or file each.

pub mod size;

use std::sync::Arc;

use chaos_core::DynFault;

/// Returns every fault on servers, in the order of the listing.
pub fn all() -> Vec<Arc<dyn DynFault>> {
    vec![]
}
