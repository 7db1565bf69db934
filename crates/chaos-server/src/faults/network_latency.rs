//! Delays what a host sends.

use std::fmt;
use std::time::Duration;

use chaos_core::{FaultError, FaultSpec, PrepareContext, Reversibility, Risk};
use chaos_host::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::amount::{Share, Wait};
use super::network::params;
use super::network::qdisc::{Link, Qdisc, Shape};
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

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

/// A queue of ours on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step(pub Qdisc);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl HostFault for NetworkLatency {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.network_latency",
        target: "server",
        summary: "Delays what a host sends",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };
    const OUTLIVES_REBOOT: bool = false;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        given: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let shape = shape(&given)?;
        let link = Link::look(cx, target, given.interface.as_deref(), shape.kind()).await?;
        Ok(vec![Step(link.queue(shape))])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        step.0.facts()
    }

    fn undo(&self, step: &Step, id: &str) -> Script {
        step.0.undo(id)
    }

    fn inject(&self, step: &Step, id: &str) -> Script {
        step.0.inject(id)
    }

    fn measure(&self, step: &Step, id: &str) -> Option<Script> {
        Some(step.0.measure(id))
    }
}

fn shape(given: &Params) -> Result<Shape, FaultError> {
    if given.jitter.is_some_and(|jitter| jitter.0 > given.delay.0) {
        return Err(params("delay packets with a `jitter` that is more than `delay`"));
    }
    if given.correlation.is_some() && given.jitter.is_none() {
        return Err(params("take a `correlation` without `jitter`: all delays are the same"));
    }
    Ok(Shape::Delay {
        delay_us: given.delay.micros(),
        jitter_us: given.jitter.map_or(0, Wait::micros),
        correlation: given.correlation.map_or(0, |share| share.0),
    })
}
