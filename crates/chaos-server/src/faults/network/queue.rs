//! Faults that are one queue of ours on an interface: each says what its queue does, the rest is the same for all.

use chaos_core::{FaultError, FaultSpec, Misfit, PrepareContext};
use chaos_host::Script;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::amount::Share;
use super::qdisc::{self, Link, Qdisc, Shape};
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

/// The most packets that may be lost or spoilt: a login must get through.
const SHARE_MAX: Share = Share(90_000);

/// What a fault says whose effect is one queue on an interface; [`OnQueue`] does the rest.
pub trait QueueFault: Default + Send + Sync + 'static {
    /// See [`HostFault::Params`].
    type Params: DeserializeOwned + JsonSchema + Send + Sync;

    /// What is known of the fault before it is used.
    const SPEC: FaultSpec;
    /// The kind of its queue, as [`Shape::kind`] calls it.
    const KIND: &'static str;

    /// Returns the interface that a person named.
    fn interface(given: &Self::Params) -> Option<&str>;

    /// See [`HostFault::check`]; the interface is checked for all.
    fn check(_given: &Self::Params) -> Result<(), Misfit> {
        Ok(())
    }

    /// Returns what the queue does, or refuses what makes no sense on this interface. `mtu` is its largest packet in bytes.
    fn shape(given: &Self::Params, mtu: u64) -> Result<Shape, FaultError>;
}

/// A fault on a host that is one queue of ours.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnQueue<Q>(pub Q);

impl<Q: QueueFault> HostFault for OnQueue<Q> {
    type Params = Q::Params;
    type Step = Qdisc;

    const SPEC: FaultSpec = Q::SPEC;
    const OUTLIVES_REBOOT: bool = false;
    const CLAIMS_ON_HOST: bool = true;

    fn check(&self, given: &Q::Params) -> Result<(), Misfit> {
        Q::interface(given).map_or(Ok(()), qdisc::check_name)?;
        Q::check(given)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        given: Q::Params,
    ) -> Result<Vec<Qdisc>, FaultError> {
        let link = Link::look(cx, target, Q::interface(&given), Q::KIND).await?;
        let shape = Q::shape(&given, link.mtu)?;
        Ok(vec![link.queue(shape)])
    }

    fn facts(&self, queue: &Qdisc) -> HostFacts {
        queue.facts()
    }

    fn undo(&self, queue: &Qdisc, id: &str) -> Script {
        queue.undo(id)
    }

    fn inject(&self, queue: &Qdisc, id: &str) -> Script {
        queue.inject(id)
    }

    fn measure(&self, queue: &Qdisc, id: &str) -> Option<Script> {
        Some(queue.measure(id))
    }
}

/// Refuses a `percent` of packets that leaves too few of them.
pub fn check_share(share: Share) -> Result<(), Misfit> {
    if share <= SHARE_MAX {
        return Ok(());
    }
    let why = "`percent` must be at most 90: with less of the packets our SSH would be lost too";
    Err(Misfit::new(why).at("percent").hint("use `server.network_partition` to lose them all"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::faults::network_bandwidth::NetworkBandwidth;
    use crate::faults::network_corrupt::NetworkCorrupt;
    use crate::faults::network_duplicate::NetworkDuplicate;
    use crate::faults::network_latency::NetworkLatency;
    use crate::faults::network_loss::NetworkLoss;

    /// Checks what becomes of parameters, and that the host is asked for the very queue that will be put there.
    fn check<Q: QueueFault>(given: Value, shape: &str) {
        let given = serde_json::from_value(given).unwrap();
        Q::check(&given).unwrap();
        let seen = Q::shape(&given, 1500).unwrap();
        assert_eq!(seen.kind(), Q::KIND);
        assert_eq!(serde_json::to_string(&seen).unwrap(), shape);
    }

    #[test]
    fn parameters_become_queues() {
        let slow = r#"{"tbf":{"rate_bits":1000000,"burst_bytes":4096,"latency_us":50000}}"#;
        check::<NetworkBandwidth>(json!({ "rate": "1mbit" }), slow);
        check::<NetworkCorrupt>(json!({}), r#"{"corrupt":{"share":5000,"correlation":0}}"#);
        check::<NetworkDuplicate>(
            json!({ "correlation": 25 }),
            r#"{"duplicate":{"share":10000,"correlation":25000}}"#,
        );
        check::<NetworkLatency>(
            json!({ "jitter": "20ms" }),
            r#"{"delay":{"delay_us":100000,"jitter_us":20000,"correlation":0}}"#,
        );
        check::<NetworkLoss>(json!({ "percent": 90 }), r#"{"loss":{"share":90000,"correlation":0}}"#);
    }

    #[test]
    fn a_step_of_an_older_journal_still_loads() {
        let text = r#"{"place":{"netns":null,"container":null,"first":null},"link":"eth0","was":"noqueue",
            "shape":{"tbf":{"rate_bits":1000000,"burst_bytes":4096,"latency_us":50000}}}"#;
        let step: <OnQueue<NetworkBandwidth> as HostFault>::Step = serde_json::from_str(text).unwrap();
        assert_eq!(step.to_string(), "send at most 1000000 bits a second on eth0, our SSH too");
    }
}
