//! How nftables is told.

use std::fmt::Write as _;

use ipnet::IpNet;

use super::rules::{Action, Chain, End, Match, Rule, Transport};

/// Our chains come before those of others and before connection tracking, so that no rule of others lets through what we
/// cut, and connections that stand are cut too.
const PRIORITY: i32 = -310;

/// Bytes of a name that one comparison takes.
const PIECE: usize = 16;
/// Where a question begins in a datagram of the name service: behind the headers of UDP and of the message.
const QUESTION_AT: usize = 8 + 12;

/// Returns the text that loads `rules` into a table of ours, all or nothing. It fails when the table is there already.
pub(super) fn text(table: &str, rules: &[Rule]) -> String {
    let mut text = format!("create table inet {table}\n");
    for chain in [Chain::Input, Chain::Output, Chain::Forward] {
        if rules.iter().any(|rule| rule.chain == chain) {
            let name = name(chain);
            // Writing to a text cannot fail.
            let _ = writeln!(
                text,
                "add chain inet {table} {name} {{ type filter hook {name} priority {PRIORITY}; policy accept; }}"
            );
        }
    }
    for rule in rules {
        let matches: Vec<_> = rule.matches.iter().map(matching).collect();
        let _ = writeln!(
            text,
            "add rule inet {table} {} {} {} comment \"{table}\"",
            name(rule.chain),
            matches.join(" "),
            action(rule.action)
        );
    }
    text
}

fn name(chain: Chain) -> &'static str {
    match chain {
        Chain::Input => "input",
        Chain::Output => "output",
        Chain::Forward => "forward",
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Pass => "accept",
        Action::Drop => "counter drop",
        Action::Reset => "counter reject with tcp reset",
        Action::Unreachable => "counter reject with icmpx type port-unreachable",
    }
}

fn matching(part: &Match) -> String {
    match part {
        Match::Loopback(Chain::Output) => "oifname \"lo\"".to_owned(),
        Match::Loopback(Chain::Input | Chain::Forward) => "iifname \"lo\"".to_owned(),
        Match::Net(end, nets) => {
            let family = if matches!(nets.first(), Some(IpNet::V4(_))) { "ip" } else { "ip6" };
            let end = match end {
                End::Source => "saddr",
                End::Destination => "daddr",
            };
            format!("{family} {end} {}", set(nets))
        }
        Match::Is(transport) => format!("meta l4proto {}", protocol(*transport)),
        Match::Port(transport, end, ports) => {
            let end = match end {
                End::Source => "sport",
                End::Destination => "dport",
            };
            format!("{} {end} {}", protocol(*transport), set(ports))
        }
        Match::TooBig => "icmp type destination-unreachable icmp code frag-needed".to_owned(),
        Match::Neighbours => "icmpv6 type { packet-too-big, nd-router-solicit, nd-router-advert, \
             nd-neighbor-solicit, nd-neighbor-advert }"
            .to_owned(),
        Match::Asked(name) => asked(name),
    }
}

fn protocol(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}

fn set<T: std::fmt::Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    format!("{{ {} }}", items.join(", "))
}

/// Compares the question in a datagram with a name. Upper and lower case are the same to the name service, and resolvers mix
/// them on purpose; they differ in one bit, which is masked out where a letter stands.
fn asked(name: &str) -> String {
    let mut bytes = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        bytes.push((u8::try_from(label.len()).unwrap_or(u8::MAX), 0xff));
        bytes.extend(label.bytes().map(|byte| match byte {
            letter if letter.is_ascii_alphabetic() => (letter & 0xdf, 0xdf),
            other => (other, 0xff),
        }));
    }
    bytes.push((0, 0xff));
    let pieces = bytes.chunks(PIECE).enumerate().map(|(number, piece)| {
        let hex = |pick: fn(&(u8, u8)) -> u8| {
            piece.iter().map(|pair| format!("{:02x}", pick(pair))).collect::<String>()
        };
        let (at, length) = ((QUESTION_AT + number * PIECE) * 8, piece.len() * 8);
        format!("@th,{at},{length} & 0x{} == 0x{}", hex(|pair| pair.1), hex(|pair| pair.0))
    });
    pieces.collect::<Vec<_>>().join(" ")
}
