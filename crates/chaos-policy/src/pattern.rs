//! Patterns for the names of things.

use std::fmt;
use std::net::IpAddr;

use chaos_core::{NameKind, TargetName};
use globset::{GlobBuilder, GlobMatcher};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A pattern for names: `billing`, `shop_*`, or only for one kind of thing: `table:public.users`, `host:10.0.*`.
///
/// `*` stands for anything, `?` for one character, `[ab]` for one of these, `{a,b}` for one of these words. Upper and lower
/// case are the same. A table is matched with and without its schema. `cidr:10.0.0.0/8` matches hosts that are named by an
/// address in that network, and networks that share an address with it; so do `10.0.0.0/8` and `host:10.0.0.0/8`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern {
    text: String,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Name { kind: Option<NameKind>, glob: GlobMatcher },
    Cidr(IpNet),
}

/// The text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern for names: {reason}")]
pub struct NotAPattern {
    /// The text.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

const KINDS: [NameKind; 10] = [
    NameKind::Host,
    NameKind::Database,
    NameKind::Schema,
    NameKind::Table,
    NameKind::Setting,
    NameKind::Service,
    NameKind::Path,
    NameKind::Process,
    NameKind::Container,
    NameKind::Network,
];

/// What stands in front of a network.
const CIDR: &str = "cidr:";

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is empty, its brackets do not match, or it is no network.
    pub fn new(text: &str) -> Result<Self, NotAPattern> {
        let wrong = |reason: String| NotAPattern { pattern: text.to_owned(), reason };
        if let Some(cidr) = text.strip_prefix(CIDR) {
            let network = network(cidr.trim())
                .ok_or_else(|| wrong("expected a network, as `10.0.0.0/8` or `fd00::/8`".to_owned()))?;
            return Ok(Self { text: text.to_owned(), matcher: Matcher::Cidr(network) });
        }
        let (kind, glob) = match text.split_once(':') {
            Some((word, rest)) => match KINDS.iter().find(|kind| kind.to_string() == word) {
                Some(kind) => (Some(*kind), rest),
                None => (None, text),
            },
            None => (None, text),
        };
        if glob.trim().is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        // A network is meant as one, also without the word.
        let may_be_network = matches!(kind, None | Some(NameKind::Host | NameKind::Network));
        if let Some(network) = glob.parse().ok().filter(|_| may_be_network) {
            return Ok(Self { text: text.to_owned(), matcher: Matcher::Cidr(network) });
        }
        let glob = GlobBuilder::new(glob)
            .case_insensitive(true)
            .build()
            .map_err(|error| wrong(error.kind().to_string()))?;
        Ok(Self { text: text.to_owned(), matcher: Matcher::Name { kind, glob: glob.compile_matcher() } })
    }

    /// Returns whether this is a pattern for `name`.
    pub fn matches(&self, name: &TargetName) -> bool {
        match &self.matcher {
            Matcher::Name { kind, glob } => {
                kind.is_none_or(|kind| kind == name.kind)
                    && (glob.is_match(&name.name)
                        || without_schema(name).is_some_and(|table| glob.is_match(table)))
            }
            Matcher::Cidr(protected) => match name.kind {
                NameKind::Host | NameKind::Network => network(&name.name)
                    .is_some_and(|named| protected.contains(&named) || named.contains(protected)),
                NameKind::Database
                | NameKind::Schema
                | NameKind::Table
                | NameKind::Setting
                | NameKind::Service
                | NameKind::Path
                | NameKind::Process
                | NameKind::Container => false,
            },
        }
    }
}

fn without_schema(name: &TargetName) -> Option<&str> {
    match name.kind {
        NameKind::Table => name.name.rsplit('.').next(),
        NameKind::Host
        | NameKind::Database
        | NameKind::Schema
        | NameKind::Setting
        | NameKind::Service
        | NameKind::Path
        | NameKind::Process
        | NameKind::Container
        | NameKind::Network => None,
    }
}

/// Reads `10.0.0.0/8`, or an address as the network of it alone. An IPv4 address in the clothes of IPv6 is taken out of them,
/// and brackets and a zone are left out, so that every way to write an address means the same.
fn network(text: &str) -> Option<IpNet> {
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Some((address, _)) = text.split_once('/') {
        let network: IpNet = text.parse().ok()?;
        let address: IpAddr = address.parse().ok()?;
        return match address.to_canonical() {
            IpAddr::V4(v4) if network.prefix_len() >= 96 && address.is_ipv6() => {
                IpNet::new(v4.into(), network.prefix_len() - 96).ok()
            }
            _ => Some(network),
        };
    }
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()))
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for NamePattern {
    type Error = NotAPattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<NamePattern> for String {
    fn from(pattern: NamePattern) -> Self {
        pattern.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, kind: NameKind, name: &str, expected: bool) {
        let pattern = NamePattern::new(pattern).unwrap();
        assert_eq!(pattern.matches(&TargetName::new(kind, name)), expected);
    }

    #[test]
    fn a_pattern_matches_whole_names_in_any_case() {
        check("billing", NameKind::Database, "Billing", true);
        check("billing", NameKind::Database, "billing2", false);
        check("shop_*", NameKind::Schema, "shop_eu", true);
        check("10.0.*", NameKind::Host, "10.0.3.4", true);
        check("*.db", NameKind::Database, "/var/lib/shop.db", true);
    }

    #[test]
    fn a_kind_in_front_narrows_the_pattern() {
        check("host:billing", NameKind::Database, "billing", false);
        check("database:billing", NameKind::Database, "billing", true);
    }

    #[test]
    fn a_table_is_matched_with_and_without_its_schema() {
        check("users", NameKind::Table, "public.users", true);
        check("public.users", NameKind::Table, "public.users", true);
        check("public.*", NameKind::Table, "audit.users", false);
    }

    #[test]
    fn a_network_matches_addresses_however_they_are_written() {
        let host = |name, expected| check("cidr:10.0.0.0/8", NameKind::Host, name, expected);
        host("10.1.2.3", true);
        host("::ffff:10.1.2.3", true);
        host("[::ffff:10.1.2.3]", true);
        host("11.1.2.3", false);
        host("db-1.example.com", false);
        check("cidr:fe80::/10", NameKind::Host, "fe80::1%eth0", true);
        check("cidr:10.0.0.7", NameKind::Host, "10.0.0.7", true);
        check("cidr:10.0.0.0/8", NameKind::Service, "10.1.2.3", false);
    }

    #[test]
    fn a_network_matches_every_network_that_shares_an_address_with_it() {
        let network = |name, expected| check("cidr:10.1.0.0/16", NameKind::Network, name, expected);
        network("10.1.2.0/24", true);
        network("10.0.0.0/8", true);
        network("0.0.0.0/0", true);
        network("::ffff:10.1.0.0/112", true);
        network("10.2.0.0/16", false);
        network("fd00::/8", false);
        network("10.1.2.3", true);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "  ", "table:", "a[", "{a", "cidr:", "cidr:10.0.0.0/33", "cidr:shop"] {
            assert!(NamePattern::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_network_is_meant_as_one_also_without_the_word() {
        let inside = TargetName::new(NameKind::Host, "10.77.0.4");
        for text in [
            "cidr:10.77.0.0/24",
            "10.77.0.0/24",
            "host:10.77.0.0/24",
            "network:10.77.0.0/24",
            "host:10.77.0.4/32",
        ] {
            assert!(NamePattern::new(text).unwrap().matches(&inside), "{text}");
        }
        assert!(!NamePattern::new("path:10.77.0.0/24").unwrap().matches(&inside));
    }
}
