//! Loses a share of the packets that a host sends.

use std::fmt;

use chaos_core::{Failure, FaultError, FaultSpec, PrepareContext, Reversibility, Risk};
use chaos_host::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::amount::Share;
use super::network::qdisc::{Link, Qdisc, Shape};
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

/// The most packets that may be lost: a login must get through.
const SHARE_MAX: Share = Share(90_000);

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

/// A queue of ours on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step(pub Qdisc);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl HostFault for NetworkLoss {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.network_loss",
        target: "server",
        summary: "Loses a share of the packets that a host sends",
        risk: Risk::High,
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
    if given.percent > SHARE_MAX {
        let what = "lose more than 90 percent of the packets: our SSH would be lost too";
        return Err(FaultError::Params(
            Failure::new(what).hint("use `server.network_partition` to lose them all"),
        ));
    }
    Ok(Shape::Loss { share: given.percent.0, correlation: given.correlation.map_or(0, |share| share.0) })
}
