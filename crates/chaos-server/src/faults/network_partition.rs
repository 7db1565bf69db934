//! Cuts a host off from others, or from everybody.
//!
//! The way we came stays open, also for new connections, and so do the host's name servers and what no network works without.

use std::fmt;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{FaultError, FaultSpec, Misfit, PrepareContext, Reversibility, Risk};
use chaos_host::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::firewall::{Firewall, Wanted};
use super::network::peers::{self, Peer};
use super::network::place::{self, Surroundings};
use super::network::rules::{Cut, DNS_PORTS, Exempt, PortSide, Verdict};
use super::network::{self, Direction, Port, Protocol};
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

/// Cuts a host off: `server.network_partition`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NetworkPartition;

/// What a person writes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Whom the host is cut off from: names, addresses or networks. Names are resolved on the host, once, before anything is
    /// done: `["db-1.example.com", "10.0.0.7", "fd00::7"]`. Default: none; with no `cidrs` either, it is everybody.
    pub peers: Vec<String>,
    /// Networks the host is cut off from: `["10.1.0.0/16", "fd00:1::/32"]`. Default: none.
    pub cidrs: Vec<String>,
    /// Only packets with one of these ports at either end: `[5432, 6379]`. Default: none, and then every port.
    pub ports: Vec<Port>,
    /// Which packets vanish: those to the host (`in`), those from it (`out`), or `both`. Default: `both`.
    pub direction: Direction,
    /// Only packets of this protocol: `tcp`, `udp`; `any` means both where ports are given, and every packet otherwise.
    /// Default: `any`.
    pub protocol: Protocol,
    /// Which firewall is told: `nft`, `iptables`, or `auto` for the first that takes the rules. Default: `auto`.
    pub backend: Wanted,
}

/// One cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Whom it is from, as it was written; none means everybody.
    pub peers: Vec<String>,
    /// The rules.
    pub firewall: Firewall,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = &self.firewall.cut;
        let way = match cut.direction {
            Direction::In => "drop every packet from",
            Direction::Out => "drop every packet to",
            Direction::Both => "drop every packet from and to",
        };
        let whom = if self.peers.is_empty() { "everybody".to_owned() } else { network::list(&self.peers) };
        write!(f, "{}", self.firewall.place.of(&format!("{way} {whom}")))?;
        match cut.protocol {
            Protocol::Tcp => write!(f, ", TCP only")?,
            Protocol::Udp => write!(f, ", UDP only")?,
            Protocol::Any => {}
        }
        if !cut.ports.is_empty() {
            write!(f, ", ports {}", network::list(&cut.ports))?;
        }
        match &self.firewall.exempt.way {
            Some(way) => write!(f, "; SSH from {} and the host's name servers stay", way.address),
            None => Ok(()),
        }
    }
}

impl HostFault for NetworkPartition {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.network_partition",
        target: "server",
        summary: "Cuts a host off from others, but for the way we came and its name servers",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const OUTLIVES_REBOOT: bool = false;

    fn check(&self, params: &Params) -> Result<(), Misfit> {
        named(params)?;
        ports(params).map(drop)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let (named, ports) = (named(&params)?, ports(&params)?);
        let seen = place::look(cx, target, &peers::names(&named)).await?;
        let cut = Cut {
            direction: params.direction,
            nets: peers::nets(&named, &seen)?,
            ports,
            side: PortSide::Either,
            protocol: params.protocol,
            verdict: Verdict::Drop,
            forwarded: true,
            asked_names: Vec::new(),
        };
        let firewall = Firewall::choose(cx, target, &seen, params.backend, cut, exempt(&seen)).await?;
        Ok(vec![Step { peers: [params.peers, params.cidrs].concat(), firewall }])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        let mut names = network::names(&step.firewall.cut.nets);
        names.extend(step.peers.iter().map(|peer| TargetName::new(NameKind::Host, peer.clone())));
        HostFacts {
            undo: step.firewall.undo_line(),
            claims: step.firewall.claims(),
            names,
            mounts: Vec::new(),
        }
    }

    fn undo(&self, step: &Step, id: &str) -> Script {
        step.firewall.undo(id)
    }

    fn inject(&self, step: &Step, id: &str) -> Script {
        step.firewall.inject(id)
    }

    fn measure(&self, step: &Step, id: &str) -> Option<Script> {
        Some(step.firewall.measure(id))
    }
}

/// Returns what a host keeps when everything else is cut.
fn exempt(seen: &Surroundings) -> Exempt {
    // A container has no way of ours, and its engine resolves for it.
    let is_host = seen.place.netns.is_none();
    let (itself, others): (Vec<_>, Vec<_>) = seen.resolvers.iter().partition(|address| address.is_loopback());
    let asks_others = is_host && !itself.is_empty() && others.is_empty();
    Exempt {
        way: seen.way.clone(),
        itself: true,
        essentials: true,
        resolvers: if is_host { others.into_iter().copied().collect() } else { Vec::new() },
        every_resolver: asks_others,
    }
}

/// Returns whom the host is cut off from.
fn named(params: &Params) -> Result<Vec<Peer>, Misfit> {
    let peers = peers::read("peers", &params.peers)?;
    Ok([peers, peers::read_nets("cidrs", &params.cidrs)?].concat())
}

fn ports(params: &Params) -> Result<Vec<u16>, Misfit> {
    let ports = network::ports(&params.ports)?;
    if ports.is_empty() || ports.iter().any(|port| !DNS_PORTS.contains(port)) {
        return Ok(ports);
    }
    let why = "`ports` names the name service only, which always comes through";
    Err(Misfit::new(why).at("ports").hint("use `server.dns_failure`"))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::faults::network::place::Place;

    fn resolvers(asked: &[&str], place: Place) -> (Vec<IpAddr>, bool) {
        let resolvers = asked.iter().map(|address| address.parse().unwrap()).collect();
        let exempt = exempt(&Surroundings { place, resolvers, ..Surroundings::default() });
        (exempt.resolvers, exempt.every_resolver)
    }

    #[test]
    fn name_servers_of_the_host_come_through_also_those_that_one_on_the_host_asks() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(resolvers(&["10.0.0.53"], Place::default()), (vec![address("10.0.0.53")], false));
        // systemd-resolved tells whom it asks, others do not.
        assert_eq!(
            resolvers(&["127.0.0.53", "fd00::53"], Place::default()),
            (vec![address("fd00::53")], false)
        );
        assert_eq!(resolvers(&["127.0.0.1"], Place::default()), (Vec::new(), true));
        assert_eq!(resolvers(&[], Place::default()), (Vec::new(), false));
        let container = Place { netns: Some("net:[1]".to_owned()), ..Place::default() };
        assert_eq!(resolvers(&["10.0.0.53"], container), (Vec::new(), false));
    }

    #[test]
    fn a_step_of_an_older_journal_still_loads() {
        let old = r#"{"peers":["db"],"firewall":{"backend":"iptables","cut":{"direction":"in","nets":[],"ports":[],
            "side":"either","protocol":"any","verdict":"drop","forwarded":true},"exempt":{"way":null,"itself":true,
            "essentials":true,"resolvers":[],"every_resolver":true},"has_ipv6":false}}"#;
        let step: Step = serde_json::from_str(old).unwrap();
        assert_eq!(step.to_string(), "drop every packet from db");
    }
}
