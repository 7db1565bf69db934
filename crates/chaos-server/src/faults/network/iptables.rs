//! How iptables is told, where there is no nftables.

use ipnet::IpNet;

use super::rules::{Action, Chain, End, Match, Rule, Transport};

/// What one `multiport` takes.
const PORTS_A_RULE: usize = 15;

/// One of the two programs; each knows one family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// Returns the text for `iptables-restore --noflush` that makes our chains, and only at its end sends packets through them.
///
/// The name of a chain has at most 28 characters, so `key` is short; every rule carries `id` as its comment.
pub(super) fn text(key: &str, id: &str, rules: &[Rule], family: Family) -> String {
    let used: Vec<_> =
        CHAINS.iter().filter(|(chain, ..)| rules.iter().any(|rule| rule.chain == *chain)).collect();
    let mut lines = vec!["*filter".to_owned()];
    lines.extend(used.iter().map(|(_, suffix, _)| format!(":{key}-{suffix} - [0:0]")));
    for rule in rules {
        let suffix =
            CHAINS.iter().find(|(chain, ..)| *chain == rule.chain).map_or("", |(_, suffix, _)| suffix);
        let target = target(rule.action, family);
        for matches in alternatives(rule, family) {
            lines.push(format!("-A {key}-{suffix}{matches} -m comment --comment {id} -j {target}"));
        }
    }
    lines.extend(
        used.iter()
            .map(|(_, suffix, hook)| format!("-I {hook} 1 -m comment --comment {id} -j {key}-{suffix}")),
    );
    lines.push("COMMIT\n".to_owned());
    lines.join("\n")
}

/// Chains, the last part of our chain's name, and the hook that sends packets through it. The scripts know them too.
const CHAINS: [(Chain, &str, &str); 3] =
    [(Chain::Input, "in", "INPUT"), (Chain::Output, "out", "OUTPUT"), (Chain::Forward, "fwd", "FORWARD")];

fn target(action: Action, family: Family) -> &'static str {
    match (action, family) {
        (Action::Pass, _) => "RETURN",
        (Action::Drop, _) => "DROP",
        (Action::Reset, _) => "REJECT --reject-with tcp-reset",
        (Action::Unreachable, Family::V4) => "REJECT --reject-with icmp-port-unreachable",
        (Action::Unreachable, Family::V6) => "REJECT --reject-with icmp6-port-unreachable",
    }
}

/// Returns the argument texts that together say what one rule says; none when it is about the other family.
fn alternatives(rule: &Rule, family: Family) -> Vec<String> {
    let mut all = vec![String::new()];
    for part in &rule.matches {
        let choices = choices(part, family);
        all = all
            .iter()
            .flat_map(|text| choices.iter().map(move |choice| format!("{text} {choice}")))
            .collect();
    }
    all
}

fn choices(part: &Match, family: Family) -> Vec<String> {
    match part {
        Match::Loopback(Chain::Output) => vec!["-o lo".to_owned()],
        Match::Loopback(Chain::Input | Chain::Forward) => vec!["-i lo".to_owned()],
        Match::Net(end, nets) => {
            let flag = match end {
                End::Source => "-s",
                End::Destination => "-d",
            };
            let is_ours = |net: &&IpNet| matches!(net, IpNet::V4(_)) == (family == Family::V4);
            nets.iter().filter(is_ours).map(|net| format!("{flag} {net}")).collect()
        }
        Match::Is(transport) => vec![format!("-p {}", protocol(*transport))],
        Match::Port(transport, end, ports) => {
            let flag = match end {
                End::Source => "--sports",
                End::Destination => "--dports",
            };
            let chunk = |ports: &[u16]| {
                let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
                format!("-p {} -m multiport {flag} {}", protocol(*transport), ports.join(","))
            };
            ports.chunks(PORTS_A_RULE).map(chunk).collect()
        }
        Match::TooBig if family == Family::V4 => vec!["-p icmp --icmp-type fragmentation-needed".to_owned()],
        Match::Neighbours if family == Family::V6 => {
            [2, 133, 134, 135, 136].map(|kind| format!("-p icmpv6 --icmpv6-type {kind}")).to_vec()
        }
        // Names are compared by nftables only; `firewall` refuses them for this one.
        Match::TooBig | Match::Neighbours | Match::Asked(_) => Vec::new(),
    }
}

fn protocol(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}
