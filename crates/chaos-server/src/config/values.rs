//! Values of the configuration that are more than text.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use chaos_core::experiment::parse_hold;
use chaos_host::transport::ssh::HostKey;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::faults::size::Percent;

/// How many of the hosts are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HostsAffected {
    /// All of them.
    #[default]
    All,
    /// This many.
    Count(NonZeroU32),
    /// This share, rounded down, but at least one.
    Share(Percent),
}

impl HostsAffected {
    /// Returns how many that is of `total`.
    pub(crate) fn of(self, total: usize) -> usize {
        match self {
            Self::All => total,
            Self::Count(count) => usize::try_from(count.get()).unwrap_or(usize::MAX),
            Self::Share(share) => usize::try_from(share.of(total as u64)).unwrap_or(total).max(1),
        }
    }
}

impl fmt::Display for HostsAffected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(count) => count.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

impl FromStr for HostsAffected {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let parsed = match trimmed {
            "all" => Some(Self::All),
            share if share.ends_with('%') => share.parse().ok().map(Self::Share),
            count => count.parse().ok().map(Self::Count),
        };
        parsed.ok_or_else(|| {
            format!(
                "`{text}` is no number of hosts; write `all`, a number from 1, or a share from `1%` to `100%`"
            )
        })
    }
}

impl<'de> Deserialize<'de> for HostsAffected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrText)
    }
}

/// Reads a number by way of its text, so that both have the same rules.
struct NumberOrText;

impl Visitor<'_> for NumberOrText {
    type Value = HostsAffected;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`all`, a number or a share of hosts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HostsAffected, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<HostsAffected, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<HostsAffected, E> {
        self.visit_str(&number.to_string())
    }
}

impl JsonSchema for HostsAffected {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HostsAffected".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "pattern": "^(all|[1-9][0-9]*|([1-9][0-9]?|100)%)$" }
            ]
        })
    }
}

/// Reads which key a host must show.
pub(crate) fn host_key(text: &str) -> Result<HostKey, String> {
    match text {
        "strict" => Ok(HostKey::Strict),
        "accept_new" => Ok(HostKey::AcceptNew),
        text if is_fingerprint(text) => Ok(HostKey::Pinned(text.to_owned())),
        text => Err(format!(
            "`{text}` is no rule for host keys; write `strict`, `accept_new` or the fingerprint of the key: `SHA256:` and 43 \
             characters"
        )),
    }
}

/// Returns whether this is how OpenSSH writes the SHA-256 of a key: 32 bytes in Base64 without padding.
pub(crate) fn is_fingerprint(text: &str) -> bool {
    let is_base64 = |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'/';
    text.strip_prefix("SHA256:")
        .map(|sum| sum.trim_end_matches('='))
        .is_some_and(|sum| sum.len() == 43 && sum.bytes().all(is_base64))
}

/// A name or address of a host, without brackets and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostAddress(pub(crate) String);

impl FromStr for HostAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Longer is no name in DNS.
        const NAME_MAX: usize = 253;
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || "/@[]'\"`\\$;|&<>(){}*?#".contains(c);
        let why = match bare {
            "" => Some("a host has no name"),
            bare if bare.contains("://") => Some("this is a URL, and a host is wanted"),
            bare if bare.contains('@') => Some("the user has a key of its own: `username`"),
            bare if bare.starts_with('-') => Some("no host begins with `-`"),
            bare if bare.len() > NAME_MAX => Some("no host has such a long name"),
            bare if bare.contains(is_odd) => Some("no host has such a name"),
            bare if is_host_and_port(bare) => Some("the port has a key of its own: `port`"),
            bare if bare.contains(':') && !is_ipv6(bare) => Some("this is no IPv6 address"),
            _ => None,
        };
        match why {
            Some(why) => Err(format!("`{text}`: {why}")),
            None => Ok(Self(bare.to_owned())),
        }
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.split_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit()))
}

fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "lo"));
    address.parse::<std::net::Ipv6Addr>().is_ok() && !zone.is_empty()
}

/// Reads a duration between two bounds.
pub(crate) fn duration(key: &str, text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let found = parse_hold(text).map_err(|(message, hint)| format!("`{key}`: {message}; {hint}"))?;
    if found < min || found > max {
        return Err(format!("`{key}`: `{text}` is not between {min:?} and {max:?}"));
    }
    Ok(found)
}
