//! Closes ports of a host, or those that it calls.

use std::fmt;

use chaos_core::{FaultError, FaultSpec, Misfit, PrepareContext, Reversibility, Risk};
use chaos_host::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::firewall::{Firewall, Wanted};
use super::network::place;
use super::network::rules::{Cut, DNS_PORTS, Exempt, PortSide, Verdict};
use super::network::{self, Direction, Port, Protocol, peers};
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

/// Closes ports: `server.port_block`.
#[derive(Debug, Clone, Copy, Default)]
pub struct PortBlock;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The ports, 1 to 65535. Example: `[80, 443]`.
    pub ports: Vec<Port>,
    /// `tcp`, `udp`, or `any` for both. Default: `any`.
    #[serde(default)]
    pub protocol: Protocol,
    /// Who calls them: `in` closes ports of the host to others, `out` keeps the host from calling these ports of others, `both`
    /// does both. Default: `in`.
    #[serde(default = "inbound")]
    pub direction: Direction,
    /// What happens to packets to these ports: `drop` (the caller waits until it gives up) or `reject` (the caller is refused at
    /// once). Default: `drop`.
    #[serde(default)]
    pub action: Verdict,
    /// Only for these others, by name, address or network; names are resolved on the host, once, before anything is done:
    /// `["10.1.0.0/16"]`. Default: everybody.
    #[serde(default)]
    pub from: Vec<String>,
    /// Whether the host cannot call these ports of its own either. Default: `false`.
    #[serde(default)]
    pub loopback: bool,
    /// Which firewall is told: `nft`, `iptables`, or `auto` for the first that takes the rules. Default: `auto`.
    #[serde(default)]
    pub backend: Wanted,
}

fn inbound() -> Direction {
    Direction::In
}

/// Some closed ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// For whom, as it was written; none means everybody.
    pub from: Vec<String>,
    /// The rules.
    pub firewall: Firewall,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = &self.firewall.cut;
        let verb = match cut.verdict {
            Verdict::Drop => "drop",
            Verdict::Reject => "refuse",
        };
        let protocol = match cut.protocol {
            Protocol::Tcp => "TCP ",
            Protocol::Udp => "UDP ",
            Protocol::Any => "",
        };
        let whom = if self.from.is_empty() { "everybody".to_owned() } else { network::list(&self.from) };
        let way = match cut.direction {
            Direction::In => format!("from {whom}"),
            Direction::Out => format!("to {whom}"),
            Direction::Both => format!("from and to {whom}"),
        };
        let what = format!("{verb} packets to {protocol}ports {} {way}", network::list(&cut.ports));
        write!(f, "{}", self.firewall.place.of(&what))?;
        match &self.firewall.exempt.way {
            Some(way) if cut.ports.contains(&way.port) => write!(f, "; SSH from {} stays", way.address),
            Some(_) | None => Ok(()),
        }
    }
}

impl HostFault for PortBlock {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.port_block",
        target: "server",
        summary: "Closes ports of a host, or those that it calls",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const OUTLIVES_REBOOT: bool = false;

    fn check(&self, params: &Params) -> Result<(), Misfit> {
        peers::read("from", &params.from)?;
        ports(params).map(drop)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let named = peers::read("from", &params.from)?;
        let ports = ports(&params)?;
        let seen = place::look(cx, target, &peers::names(&named)).await?;
        let cut = Cut {
            direction: params.direction,
            nets: peers::nets(&named, &seen)?,
            ports,
            side: PortSide::Called,
            protocol: params.protocol,
            verdict: params.action,
            // What the host passes on to its containers counts too, by the port of the container.
            forwarded: true,
            asked_names: Vec::new(),
        };
        let exempt = Exempt { way: seen.way.clone(), itself: !params.loopback, ..Exempt::default() };
        let firewall = Firewall::choose(cx, target, &seen, params.backend, cut, exempt).await?;
        Ok(vec![Step { from: params.from, firewall }])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        HostFacts {
            undo: step.firewall.undo_line(),
            claims: step.firewall.claims(),
            names: network::names(&step.firewall.cut.nets),
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

fn ports(given: &Params) -> Result<Vec<u16>, Misfit> {
    if given.ports.is_empty() {
        return Err(Misfit::new("`ports` is empty").at("ports").hint("name at least one port"));
    }
    let is_dns = |port: &Port| DNS_PORTS.contains(&port.get());
    match given.ports.iter().position(is_dns).filter(|_| given.direction.has_out()) {
        Some(place) => {
            let why = "`ports` must not hold those of the host's own name service";
            Err(Misfit::new(why).at("ports").item(place).hint("use `server.dns_failure`"))
        }
        None => network::ports(&given.ports),
    }
}
