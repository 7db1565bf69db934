//! The faults on servers: one folder or file each.

pub mod container;
pub mod container_kill;
pub mod container_pause;
pub mod container_stop;
pub mod network;
pub mod network_partition;
pub mod port_block;
pub mod process_kill;
pub mod process_pause;
mod processes;
pub mod service_stop;
pub mod size;
mod units;

use std::sync::Arc;

use chaos_core::{DynFault, erase};

use crate::on_host::OnHost;

/// Returns every fault on servers, in the order of the listing.
pub fn all() -> Vec<Arc<dyn DynFault>> {
    vec![
        erase(OnHost(container_kill::ContainerKill)),
        erase(OnHost(container_pause::ContainerPause)),
        erase(OnHost(container_stop::ContainerStop)),
        erase(OnHost(network_partition::NetworkPartition)),
        erase(OnHost(port_block::PortBlock)),
        erase(OnHost(process_kill::ProcessKill)),
        erase(OnHost(process_pause::ProcessPause)),
        erase(OnHost(service_stop::ServiceStop)),
    ]
}
