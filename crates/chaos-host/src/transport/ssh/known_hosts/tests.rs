//! Lines of known hosts, and patterns.

use super::entry::{Marker, matches, name, parse};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

fn found(line: &str, name: &str) -> Option<Marker> {
    parse(&line.replace("KEY", KEY), name).map(|(marker, _)| marker)
}

#[test]
fn a_line_speaks_of_the_hosts_it_names() {
    let table = [
        ("web KEY", "web", Some(Marker::Key)),
        ("web KEY comment with words", "web", Some(Marker::Key)),
        ("  web\tKEY", "web", Some(Marker::Key)),
        ("WEB KEY", "web", Some(Marker::Key)),
        ("db,web KEY", "web", Some(Marker::Key)),
        ("web KEY", "web2", None),
        ("*.example.org KEY", "a.example.org", Some(Marker::Key)),
        ("*.example.org,!b.example.org KEY", "b.example.org", None),
        ("!b.example.org KEY", "a.example.org", None),
        ("[web]:2222 KEY", "[web]:2222", Some(Marker::Key)),
        ("web KEY", "[web]:2222", None),
        ("@cert-authority * KEY", "web", Some(Marker::Authority)),
        ("@revoked web KEY", "web", Some(Marker::Revoked)),
        ("@something web KEY", "web", None),
        ("# web KEY", "web", None),
        ("web", "web", None),
        ("web ssh-ed25519", "web", None),
        ("web ssh-ed25519 AAAA", "web", None),
        ("", "web", None),
        // Hashed names: a hash of something else, another format, too little.
        ("|1|HgJr2+XgjAmPLkO4xR4pTuwxWDQ=|WRONGWRONGWRONGWRONGWRONGWR= KEY", "web", None),
        ("|2|a|b KEY", "web", None),
        ("|1| KEY", "web", None),
    ];
    for (line, host, expected) in table {
        assert_eq!(found(line, host), expected, "{line} for {host}");
    }
}

#[test]
fn the_usual_port_is_not_part_of_a_name() {
    assert_eq!(name("Web", 22), "web");
    assert_eq!(name("web", 2222), "[web]:2222");
    assert_eq!(name("fd00::1", 2222), "[fd00::1]:2222");
}

#[test]
fn patterns_match_as_in_openssh() {
    let table = [
        ("*", "", true),
        ("*", "anything", true),
        ("?", "", false),
        ("a?c", "abc", true),
        ("a*c", "ac", true),
        ("a*c", "abcbc", true),
        ("a*c", "abcb", false),
        ("*a*b*", "xxaxxbxx", true),
        ("*a*b*", "xxbxxaxx", false),
        ("**", "x", true),
        ("web-?", "web-10", false),
    ];
    for (pattern, text, expected) in table {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn a_pattern_made_to_be_slow_is_not() {
    let start = std::time::Instant::now();
    assert!(!matches(&"*a".repeat(2000), &"a".repeat(1999)));
    assert!(start.elapsed() < std::time::Duration::from_secs(2));
}
