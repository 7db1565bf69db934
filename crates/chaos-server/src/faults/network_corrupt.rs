//! Spoils a share of the packets that a host sends: one bit of each is turned over.

use chaos_core::{FaultError, FaultSpec, Misfit, Reversibility, Risk};
use schemars::JsonSchema;
use serde::Deserialize;

use super::network::amount::Share;
use super::network::qdisc::{NETEM, Shape};
use super::network::queue::{QueueFault, check_share};

/// Spoils a share of the packets that a host sends: `server.network_corrupt`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NetworkCorrupt;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many of the packets are spoilt, in percent, above 0 and up to 90: `5`, `0.5`, `12.5%`. Who gets them sees a wrong
    /// checksum and drops them. Default: `5`.
    pub percent: Share,
    /// How much one packet depends on the one before, in percent: `25`. Default: not at all.
    pub correlation: Option<Share>,
    /// The interface: `eth0`. Default: that of the default route.
    pub interface: Option<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self { percent: Share(5_000), correlation: None, interface: None }
    }
}

impl QueueFault for NetworkCorrupt {
    type Params = Params;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.network_corrupt",
        target: "server",
        summary: "Spoils a share of the packets that a host sends",
        risk: Risk::Medium,
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
        Ok(Shape::Corrupt {
            share: given.percent.0,
            correlation: given.correlation.map_or(0, |share| share.0),
        })
    }
}
