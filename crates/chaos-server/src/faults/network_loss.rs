//! Loses a share of the packets that a host sends.

use chaos_core::{FaultError, FaultSpec, Misfit, Reversibility, Risk};
use schemars::JsonSchema;
use serde::Deserialize;

use super::network::amount::Share;
use super::network::qdisc::{NETEM, Shape};
use super::network::queue::{QueueFault, check_share};

/// Loses a share of the packets that a host sends: `server.network_loss`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NetworkLoss;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many of the packets are lost, in percent, above 0 and up to 90: `10`, `0.5`, `12.5%`. SSH loses them too and sends
    /// them again. Default: `10`.
    pub percent: Share,
    /// How much the loss of a packet depends on that of the one before, in percent: `25`. Default: not at all.
    pub correlation: Option<Share>,
    /// The interface: `eth0`. Default: that of the default route.
    pub interface: Option<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self { percent: Share(10_000), correlation: None, interface: None }
    }
}

impl QueueFault for NetworkLoss {
    type Params = Params;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.network_loss",
        target: "server",
        summary: "Loses a share of the packets that a host sends",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const KIND: &'static str = NETEM;

    fn interface(given: &Params) -> Option<&str> {
        given.interface.as_deref()
    }

    fn check(given: &Params) -> Result<(), Misfit> {
        check_share(given.percent)
    }

    fn shape(given: &Params, _mtu: u64) -> Result<Shape, FaultError> {
        Ok(Shape::Loss { share: given.percent.0, correlation: given.correlation.map_or(0, |share| share.0) })
    }
}
