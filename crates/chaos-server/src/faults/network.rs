//! What faults on networks share: what is known of a network, who is cut off, and how a firewall or a queue says it.

pub mod amount;
pub mod firewall;
mod iptables;
mod nft;
pub mod peers;
pub mod place;
pub mod qdisc;
pub mod queue;
pub mod rules;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Failure, FaultError, Misfit};
use chaos_host::{HostError, Limits, Output, Script};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::target::ServerTarget;

/// Which way packets go, seen from the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the host.
    In,
    /// From the host.
    Out,
    /// Both ways.
    #[default]
    Both,
}

impl Direction {
    /// Returns whether packets to the host are meant.
    pub fn has_in(self) -> bool {
        matches!(self, Self::In | Self::Both)
    }

    /// Returns whether packets from the host are meant.
    pub fn has_out(self) -> bool {
        matches!(self, Self::Out | Self::Both)
    }
}

/// Which packets are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP only.
    Tcp,
    /// UDP only.
    Udp,
    /// With ports both TCP and UDP, without ports every packet.
    #[default]
    Any,
}

/// A port, 1 to 65535.
pub type Port = std::num::NonZeroU16;

/// The most ports that one fault may name: more belong into a network of their own.
pub const PORTS_MAX: usize = 64;

/// Refuses parameters.
pub(crate) fn params(what: impl Into<String>) -> FaultError {
    FaultError::Params(Failure::new(what))
}

/// Refuses at preflight.
pub(crate) fn preflight(what: impl Into<String>) -> FaultError {
    FaultError::Preflight(Failure::new(what))
}

/// Runs a script of a preflight; what it says against the fault is the refusal. `what` completes "failed to …".
pub(crate) async fn ask(
    target: &ServerTarget,
    what: &str,
    script: &Script,
    limits: Limits,
) -> Result<Output, FaultError> {
    target.host().must(what, script, limits).await.map_err(|error| match error {
        HostError::Failed { what, said, .. } => FaultError::Preflight(Failure::new(what).source(said)),
        error => error.into(),
    })
}

/// Returns `ports` in order, each once.
pub(crate) fn ports(ports: &[Port]) -> Result<Vec<u16>, Misfit> {
    if ports.len() > PORTS_MAX {
        let why = format!("`ports` has {} entries, but {PORTS_MAX} are the most", ports.len());
        return Err(Misfit::new(why).at("ports"));
    }
    let mut ports: Vec<_> = ports.iter().map(|port| port.get()).collect();
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// Names networks for policy; none means all.
pub(crate) fn names(nets: &[IpNet]) -> Vec<TargetName> {
    let name = |net: &str| TargetName::new(NameKind::Network, net);
    match nets {
        [] => vec![name("0.0.0.0/0"), name("::/0")],
        nets => nets.iter().map(|net| name(&net.to_string())).collect(),
    }
}

/// Writes a list for people: the first few, and how many more.
pub(crate) fn list<T: std::fmt::Display>(items: &[T]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<_> = items.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = items.len().saturating_sub(SHOWN);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{tail}", shown.join(", "))
}

/// Returns a hash of a step's id (FNV-1a), for names that must be short.
pub(crate) fn hash(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
