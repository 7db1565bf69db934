//! What a firewall is told, whichever firewall it is: which packets go on, and which do not.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Direction, Protocol};
use crate::target::Peer;

/// What happens to packets that are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They vanish: whoever waits for an answer waits until it gives up.
    #[default]
    Drop,
    /// They are answered with a refusal: a reset for TCP, "port unreachable" for UDP.
    Reject,
}

/// Which of its two ports makes a packet meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortSide {
    /// That of the host: somebody uses a service here.
    Local,
    /// That of the others: the host uses a service there.
    Remote,
    /// Either.
    Either,
    /// That of whoever is called.
    Called,
}

/// Which packets do not come through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Which way they go.
    pub direction: Direction,
    /// Whom they come from or go to; none means everybody.
    pub nets: Vec<IpNet>,
    /// Their ports; none means all.
    pub ports: Vec<u16>,
    /// Which of their ports is meant.
    pub side: PortSide,
    /// Their protocol.
    pub protocol: Protocol,
    /// What happens to them.
    pub verdict: Verdict,
    /// Whether packets that the host only passes on are meant too, as those of its containers.
    pub forwarded: bool,
    /// Only questions and answers of the name service for these names.
    #[serde(default)]
    pub asked_names: Vec<String>,
}

/// What comes through all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exempt {
    /// The way we came, for new connections too.
    pub way: Option<Peer>,
    /// What the host says to itself.
    pub itself: bool,
    /// What no network works without: neighbour discovery, DHCP, word of packets that are too big.
    pub essentials: bool,
    /// Name servers that can be asked.
    pub resolvers: Vec<IpAddr>,
    /// Whether every name server can be asked: one on the host itself does, and whom is not known.
    pub every_resolver: bool,
}

/// Ports of the name service, plain and over TLS.
pub const DNS_PORTS: [u16; 2] = [53, 853];

/// Where a packet is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chain {
    Input,
    Output,
    Forward,
}

/// One of the two ends of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Destination,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

/// What a packet must be for a rule to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match {
    /// It stays on the host.
    Loopback(Chain),
    /// One end is in one of these networks, which are all of one family.
    Net(End, Vec<IpNet>),
    /// It is of this protocol.
    Is(Transport),
    /// It is of this protocol, and one end has one of these ports.
    Port(Transport, End, Vec<u16>),
    /// IPv4's word of a packet that was too big.
    TooBig,
    /// What IPv6 needs to find neighbours and routers, and its word of a packet that was too big.
    Neighbours,
    /// It is about this name, as the name service writes it.
    Asked(String),
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Pass,
    Drop,
    Reset,
    Unreachable,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// Where packets are looked at.
    pub chain: Chain,
    /// What a packet must be, all of it.
    pub matches: Vec<Match>,
    /// What happens to it.
    pub action: Action,
}

/// Returns what a firewall is told, in order: first what comes through, then what does not.
pub(super) fn rules(cut: &Cut, exempt: &Exempt) -> Vec<Rule> {
    let chains = chains(cut);
    let mut rules: Vec<_> =
        exemptions(exempt).into_iter().filter(|rule| chains.contains(&rule.chain)).collect();
    for way in [(Direction::In, Chain::Input), (Direction::Out, Chain::Output)] {
        if chains.contains(&way.1) {
            cut_one(&mut rules, cut, way.0, way.1);
        }
    }
    if cut.forwarded {
        for way in [Direction::In, Direction::Out] {
            let is_meant =
                if way == Direction::In { cut.direction.has_in() } else { cut.direction.has_out() };
            if is_meant {
                cut_one(&mut rules, cut, way, Chain::Forward);
            }
        }
    }
    rules
}

fn chains(cut: &Cut) -> Vec<Chain> {
    let mut chains = Vec::new();
    chains.extend(cut.direction.has_in().then_some(Chain::Input));
    chains.extend(cut.direction.has_out().then_some(Chain::Output));
    chains.extend(cut.forwarded.then_some(Chain::Forward));
    chains
}

fn exemptions(exempt: &Exempt) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut pass = |chain, matches| rules.push(Rule { chain, matches, action: Action::Pass });
    if exempt.itself {
        pass(Chain::Input, vec![Match::Loopback(Chain::Input)]);
        pass(Chain::Output, vec![Match::Loopback(Chain::Output)]);
    }
    if let Some((address, port)) = exempt.way.as_ref().and_then(way) {
        // Not this very connection: we must be able to come again.
        let (net, tcp) = (vec![IpNet::from(address)], Transport::Tcp);
        pass(
            Chain::Input,
            vec![Match::Net(End::Source, net.clone()), Match::Port(tcp, End::Destination, vec![port])],
        );
        pass(
            Chain::Output,
            vec![Match::Net(End::Destination, net), Match::Port(tcp, End::Source, vec![port])],
        );
    }
    for (inbound, outbound) in [(Chain::Input, Chain::Output), (Chain::Forward, Chain::Forward)] {
        for nets in resolvers(exempt) {
            for transport in [Transport::Udp, Transport::Tcp] {
                let with = |end, ports| {
                    let net = nets.clone().map(|nets| Match::Net(end, nets));
                    net.into_iter().chain([ports]).collect::<Vec<_>>()
                };
                let ports = DNS_PORTS.to_vec();
                pass(inbound, with(End::Source, Match::Port(transport, End::Source, ports.clone())));
                pass(outbound, with(End::Destination, Match::Port(transport, End::Destination, ports)));
            }
        }
    }
    if exempt.essentials {
        for chain in [Chain::Input, Chain::Output, Chain::Forward] {
            pass(chain, vec![Match::TooBig]);
            pass(chain, vec![Match::Neighbours]);
        }
        let dhcp = |end, ports: [u16; 2]| vec![Match::Port(Transport::Udp, end, ports.to_vec())];
        // A server answers to 68 or 546, and is asked at 67 or 547.
        pass(Chain::Input, dhcp(End::Destination, [68, 546]));
        pass(Chain::Output, dhcp(End::Destination, [67, 547]));
    }
    rules
}

fn way(peer: &Peer) -> Option<(IpAddr, u16)> {
    Some((super::place::address(&peer.address)?, peer.port))
}

/// Returns the resolvers by family, or one `None` when every one can be asked.
fn resolvers(exempt: &Exempt) -> Vec<Option<Vec<IpNet>>> {
    if exempt.every_resolver {
        return vec![None];
    }
    let nets: Vec<_> = exempt.resolvers.iter().map(|address| IpNet::from(*address)).collect();
    families(&nets).into_iter().map(Some).collect()
}

/// Parts networks by family; no family without a network.
fn families(nets: &[IpNet]) -> Vec<Vec<IpNet>> {
    let (v4, v6): (Vec<_>, Vec<_>) = nets.iter().partition(|net| matches!(net, IpNet::V4(_)));
    [v4, v6].into_iter().filter(|nets| !nets.is_empty()).collect()
}

fn cut_one(rules: &mut Vec<Rule>, cut: &Cut, way: Direction, chain: Chain) {
    let (theirs, ours) = match way {
        Direction::In | Direction::Both => (End::Source, End::Destination),
        Direction::Out => (End::Destination, End::Source),
    };
    let mut nets: Vec<_> =
        families(&cut.nets).into_iter().map(|nets| vec![Match::Net(theirs, nets)]).collect();
    if nets.is_empty() {
        nets.push(Vec::new());
    }
    let ends = match cut.side {
        PortSide::Local => vec![ours],
        PortSide::Remote => vec![theirs],
        PortSide::Either => vec![ours, theirs],
        PortSide::Called => vec![End::Destination],
    };
    for net in nets {
        for packet in packets(cut, &ends) {
            let matches = [net.as_slice(), packet.as_slice()].concat();
            let action = action(cut.verdict, &packet);
            push(rules, chain, &matches, action, cut);
        }
    }
}

/// Returns the alternatives of what a packet must be, beside its addresses.
fn packets(cut: &Cut, ends: &[End]) -> Vec<Vec<Match>> {
    let transports: &[Transport] = match cut.protocol {
        Protocol::Tcp => &[Transport::Tcp],
        Protocol::Udp => &[Transport::Udp],
        Protocol::Any => &[Transport::Tcp, Transport::Udp],
    };
    if cut.ports.is_empty() {
        return match (cut.protocol, cut.verdict) {
            (Protocol::Any, Verdict::Drop) => vec![Vec::new()],
            // A refusal depends on the protocol.
            (Protocol::Any, Verdict::Reject) => vec![vec![Match::Is(Transport::Tcp)], Vec::new()],
            (Protocol::Tcp | Protocol::Udp, _) => vec![vec![Match::Is(transports[0])]],
        };
    }
    let one = |transport: &Transport| {
        ends.iter().map(|end| vec![Match::Port(*transport, *end, cut.ports.clone())]).collect::<Vec<_>>()
    };
    transports.iter().flat_map(one).collect()
}

fn action(verdict: Verdict, packet: &[Match]) -> Action {
    let is_tcp =
        packet.iter().any(|part| matches!(part, Match::Is(Transport::Tcp) | Match::Port(Transport::Tcp, ..)));
    match verdict {
        Verdict::Drop => Action::Drop,
        Verdict::Reject if is_tcp => Action::Reset,
        Verdict::Reject => Action::Unreachable,
    }
}

fn push(rules: &mut Vec<Rule>, chain: Chain, matches: &[Match], action: Action, cut: &Cut) {
    if cut.asked_names.is_empty() {
        rules.push(Rule { chain, matches: matches.to_vec(), action });
    }
    for name in &cut.asked_names {
        let matches = [matches, &[Match::Asked(name.clone())]].concat();
        rules.push(Rule { chain, matches, action });
    }
}
