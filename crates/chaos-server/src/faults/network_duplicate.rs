//! Sends a share of the packets of a host twice.

use chaos_core::{FaultError, FaultSpec, Reversibility, Risk};
use schemars::JsonSchema;
use serde::Deserialize;

use super::network::amount::Share;
use super::network::qdisc::{NETEM, Shape};
use super::network::queue::QueueFault;

/// Sends a share of the packets of a host twice: `server.network_duplicate`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NetworkDuplicate;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many of the packets are sent twice, in percent, above 0 and up to 100: `10`, `0.5`, `12.5%`. Default: `10`.
    pub percent: Share,
    /// How much one packet depends on the one before, in percent: `25`. Default: not at all.
    pub correlation: Option<Share>,
    /// The interface: `eth0`. Default: that of the default route.
    pub interface: Option<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self { percent: Share(10_000), correlation: None, interface: None }
    }
}

impl QueueFault for NetworkDuplicate {
    type Params = Params;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.network_duplicate",
        target: "server",
        summary: "Sends a share of the packets twice",
        risk: Risk::Low,
        reversibility: Reversibility::Exact,
    };
    const KIND: &'static str = NETEM;

    fn interface(given: &Params) -> Option<&str> {
        given.interface.as_deref()
    }

    fn shape(given: &Params, _mtu: u64) -> Result<Shape, FaultError> {
        Ok(Shape::Duplicate {
            share: given.percent.0,
            correlation: given.correlation.map_or(0, |share| share.0),
        })
    }
}
