//! The faults on servers: one folder or file each.

pub mod container;
pub mod container_kill;
pub mod container_pause;
pub mod container_stop;
pub mod cpu_stress;
pub mod disk_fill;
pub mod dns_failure;
mod exhaust;
pub mod fd_exhaust;
pub mod inode_fill;
pub mod io_stress;
pub mod memory_stress;
pub mod network;
pub mod network_bandwidth;
pub mod network_corrupt;
pub mod network_duplicate;
pub mod network_latency;
pub mod network_loss;
pub mod network_partition;
pub mod permission_change;
pub mod pid_exhaust;
pub mod port_block;
pub mod process_kill;
pub mod process_pause;
mod processes;
pub mod reboot;
mod room;
pub mod service_stop;
pub mod size;
pub mod stress;
mod units;

use std::sync::Arc;

use chaos_core::{DynFault, erase};
use network::queue::OnQueue;
use stress::InUnit;

use crate::on_host::OnHost;

/// Returns every fault on servers, in the order of the listing.
pub fn all() -> Vec<Arc<dyn DynFault>> {
    vec![
        erase(OnHost(container_kill::ContainerKill)),
        erase(OnHost(container_pause::ContainerPause)),
        erase(OnHost(container_stop::ContainerStop)),
        erase(OnHost(InUnit(cpu_stress::CpuStress))),
        erase(OnHost(disk_fill::DiskFill)),
        erase(OnHost(dns_failure::DnsFailure)),
        erase(OnHost(InUnit(fd_exhaust::FdExhaust))),
        erase(OnHost(inode_fill::InodeFill)),
        erase(OnHost(InUnit(io_stress::IoStress))),
        erase(OnHost(InUnit(memory_stress::MemoryStress))),
        erase(OnHost(OnQueue(network_bandwidth::NetworkBandwidth))),
        erase(OnHost(OnQueue(network_corrupt::NetworkCorrupt))),
        erase(OnHost(OnQueue(network_duplicate::NetworkDuplicate))),
        erase(OnHost(OnQueue(network_latency::NetworkLatency))),
        erase(OnHost(OnQueue(network_loss::NetworkLoss))),
        erase(OnHost(network_partition::NetworkPartition)),
        erase(OnHost(InUnit(pid_exhaust::PidExhaust))),
        erase(OnHost(permission_change::PermissionChange)),
        erase(OnHost(port_block::PortBlock)),
        erase(OnHost(process_kill::ProcessKill)),
        erase(OnHost(process_pause::ProcessPause)),
        erase(reboot::Reboot),
        erase(OnHost(service_stop::ServiceStop)),
    ]
}

#[cfg(test)]
mod tests;
