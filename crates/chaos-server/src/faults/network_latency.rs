//! Delays what a host sends.

use std::time::Duration;

use chaos_core::{FaultError, FaultSpec, Misfit, Reversibility, Risk};
use schemars::JsonSchema;
use serde::Deserialize;

use super::network::amount::{Share, Wait};
use super::network::qdisc::{NETEM, Shape};
use super::network::queue::QueueFault;

/// Delays what a host sends: `server.network_latency`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NetworkLatency;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How long every packet is delayed, from `1ms` to `10s`: `100ms`. An answer comes that much later; SSH is delayed too.
    /// Default: `100ms`.
    pub delay: Wait,
    /// By how much more or less, at random, up to `delay`: `20ms`. Packets may overtake each other then. Default: none.
    pub jitter: Option<Wait>,
    /// How much the delay of a packet depends on that of the one before, in percent: `25`. Needs `jitter`. Default: not at all.
    pub correlation: Option<Share>,
    /// The interface: `eth0`. Default: that of the default route.
    pub interface: Option<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self { delay: Wait(Duration::from_millis(100)), jitter: None, correlation: None, interface: None }
    }
}

impl QueueFault for NetworkLatency {
    type Params = Params;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.network_latency",
        target: "server",
        summary: "Delays what a host sends",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };
    const KIND: &'static str = NETEM;

    fn interface(given: &Params) -> Option<&str> {
        given.interface.as_deref()
    }

    fn check(given: &Params) -> Result<(), Misfit> {
        if given.jitter.is_some_and(|jitter| jitter.0 > given.delay.0) {
            let why = format!("`jitter` must not be more than `delay`, {:?}", given.delay.0);
            return Err(Misfit::new(why).at("jitter"));
        }
        if given.correlation.is_some() && given.jitter.is_none() {
            let why = "`correlation` needs `jitter`: without it all delays are the same";
            return Err(Misfit::new(why).at("correlation"));
        }
        Ok(())
    }

    fn shape(given: &Params, _mtu: u64) -> Result<Shape, FaultError> {
        Ok(Shape::Delay {
            delay_us: given.delay.micros(),
            jitter_us: given.jitter.map_or(0, Wait::micros),
            correlation: given.correlation.map_or(0, |share| share.0),
        })
    }
}
