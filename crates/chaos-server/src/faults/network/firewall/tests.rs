//! What the firewalls are told, as text.

use expect_test::expect;

use super::*;
use crate::faults::network::rules::{PortSide, Verdict};
use crate::faults::network::{Direction, Protocol};
use crate::target::Peer;

fn cut() -> Cut {
    Cut {
        direction: Direction::Both,
        nets: vec!["10.0.0.0/8".parse().unwrap(), "fd00::7/128".parse().unwrap()],
        ports: Vec::new(),
        side: PortSide::Either,
        protocol: Protocol::Any,
        verdict: Verdict::Drop,
        forwarded: false,
        asked_names: Vec::new(),
    }
}

fn exempt() -> Exempt {
    Exempt { way: Some(Peer { address: "10.0.0.1".to_owned(), port: 22 }), itself: true, ..Exempt::default() }
}

#[test]
fn a_partition_keeps_the_way_we_came_before_it_drops() {
    expect![[r#"
        create table inet id
        add chain inet id input { type filter hook input priority -310; policy accept; }
        add chain inet id output { type filter hook output priority -310; policy accept; }
        add rule inet id input iifname "lo" accept comment "id"
        add rule inet id output oifname "lo" accept comment "id"
        add rule inet id input ip saddr { 10.0.0.1/32 } tcp dport { 22 } accept comment "id"
        add rule inet id output ip daddr { 10.0.0.1/32 } tcp sport { 22 } accept comment "id"
        add rule inet id input ip saddr { 10.0.0.0/8 } counter drop comment "id"
        add rule inet id input ip6 saddr { fd00::7/128 } counter drop comment "id"
        add rule inet id output ip daddr { 10.0.0.0/8 } counter drop comment "id"
        add rule inet id output ip6 daddr { fd00::7/128 } counter drop comment "id"
    "#]]
    .assert_eq(&nft::text("id", &rules(&cut(), &exempt())));
}

#[test]
fn iptables_sends_packets_through_our_chains_only_when_they_are_whole() {
    let rules = rules(&Cut { ports: vec![80], protocol: Protocol::Tcp, ..cut() }, &exempt());
    expect![[r"
        *filter
        :key-in - [0:0]
        :key-out - [0:0]
        -A key-in -i lo -m comment --comment id -j RETURN
        -A key-out -o lo -m comment --comment id -j RETURN
        -A key-in -s 10.0.0.1/32 -p tcp -m multiport --dports 22 -m comment --comment id -j RETURN
        -A key-out -d 10.0.0.1/32 -p tcp -m multiport --sports 22 -m comment --comment id -j RETURN
        -A key-in -s 10.0.0.0/8 -p tcp -m multiport --dports 80 -m comment --comment id -j DROP
        -A key-in -s 10.0.0.0/8 -p tcp -m multiport --sports 80 -m comment --comment id -j DROP
        -A key-out -d 10.0.0.0/8 -p tcp -m multiport --sports 80 -m comment --comment id -j DROP
        -A key-out -d 10.0.0.0/8 -p tcp -m multiport --dports 80 -m comment --comment id -j DROP
        -I INPUT 1 -m comment --comment id -j key-in
        -I OUTPUT 1 -m comment --comment id -j key-out
        COMMIT
    "]]
    .assert_eq(&iptables::text("key", "id", &rules, Family::V4));
    let v6 = iptables::text("key", "id", &rules, Family::V6);
    assert!(v6.contains("-s fd00::7/128") && !v6.contains("10.0.0"), "{v6}");
}

#[test]
fn a_refusal_is_a_reset_for_tcp_and_unreachable_for_the_rest() {
    let cut =
        Cut { ports: vec![53], side: PortSide::Remote, verdict: Verdict::Reject, nets: Vec::new(), ..cut() };
    let text = nft::text("id", &rules(&Cut { direction: Direction::Out, ..cut }, &Exempt::default()));
    assert!(text.contains("output tcp dport { 53 } counter reject with tcp reset"), "{text}");
    assert!(
        text.contains("output udp dport { 53 } counter reject with icmpx type port-unreachable"),
        "{text}"
    );
    assert!(!text.contains("input"), "{text}");
}

#[test]
fn a_name_is_compared_whole_and_without_case() {
    let cut = Cut {
        direction: Direction::In,
        nets: Vec::new(),
        ports: vec![53],
        side: PortSide::Remote,
        protocol: Protocol::Udp,
        asked_names: vec!["db-1.example.com".to_owned()],
        ..cut()
    };
    let text = nft::text("id", &rules(&cut, &Exempt::default()));
    // 4 "db-1" 7 "example" 3 "com" 0: 18 bytes, behind 20 of headers.
    assert!(
        text.contains(
            "udp sport { 53 } @th,160,128 & 0xffdfdfffffffdfdfdfdfdfdfdfffdfdf == 0x0444422d31074558414d504c4503434f \
             @th,288,16 & 0xdfff == 0x4d00 counter drop"
        ),
        "{text}"
    );
}

#[test]
fn more_ports_than_one_rule_of_iptables_takes_come_to_several() {
    let ports: Vec<u16> = (1..=31).collect();
    let cut = Cut {
        direction: Direction::In,
        side: PortSide::Called,
        protocol: Protocol::Tcp,
        nets: Vec::new(),
        ports,
        ..cut()
    };
    let text = iptables::text("key", "id", &rules(&cut, &Exempt::default()), Family::V4);
    assert_eq!(text.matches("-j DROP").count(), 3, "{text}");
}

#[test]
fn a_name_of_a_chain_is_short_whatever_the_id() {
    let key = key(&"chaos_20261121_084512_k3vq_1_1".repeat(9));
    // The kernel takes 28 characters.
    assert!(format!("{key}-fwd").len() <= 28, "{key}");
}

#[test]
fn a_step_of_an_older_journal_still_loads() {
    let old = r#"{"backend":"nft","cut":{"direction":"both","nets":["10.0.0.0/8"],"ports":[80],"side":"either",
        "protocol":"any","verdict":"drop","forwarded":true},"exempt":{"way":{"address":"10.0.0.1","port":22},"itself":true,
        "essentials":true,"resolvers":["10.0.0.53"],"every_resolver":false},"has_ipv6":true}"#;
    let firewall: Firewall = serde_json::from_str(old).unwrap();
    assert_eq!(firewall.place, Place::default());
    assert!(firewall.cut.asked_names.is_empty() && firewall.kept.is_empty());
}
