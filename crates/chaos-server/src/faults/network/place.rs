//! The network that a fault acts on, and what is known of it before.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use chaos_core::{Access, Claim, Failure, FaultError, PrepareContext};
use chaos_host::{Limits, Script};
use serde::{Deserialize, Serialize};

use crate::faults::container;
use crate::target::{Peer, ServerTarget};

/// Functions that find the network: they go before every script that acts on one.
const FIND: &str = include_str!("place.sh");
const PROBE: &str =
    concat!(include_str!("../container.sh"), include_str!("place.sh"), include_str!("probe.sh"));

/// Names are looked up one after the other, each in at most ten seconds.
const PROBE_MAX: Duration = Duration::from_secs(120);

/// The network that a fault acts on: that of the host, or of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The namespace of a container's network, as `/proc` shows it; none for the host itself.
    #[serde(default)]
    pub netns: Option<String>,
    /// The container's name.
    #[serde(default)]
    pub container: Option<String>,
    /// The container's first process, and when it started, in ticks since boot: an inject into another one is none.
    #[serde(default)]
    pub first: Option<(u32, u64)>,
}

impl Place {
    /// Starts a script that finds the network with `find_network` and acts in it with `ns`.
    pub fn script(&self, text: &'static str) -> Script {
        let (pid, start) = self.first.unwrap_or_default();
        Script::new(FIND)
            .set("netns", self.netns.as_deref().unwrap_or_default())
            .set("first_pid", pid.to_string())
            .set("first_start", start.to_string())
            .then(&Script::new(text))
    }

    /// Names a thing there, for people and claims.
    pub fn of(&self, thing: &str) -> String {
        match &self.container {
            Some(container) => format!("{thing} of container {container}"),
            None => thing.to_owned(),
        }
    }

    /// Claims a thing there, and that its container goes on: what ends a container ends its network.
    pub fn claims(&self, thing: &str, access: Access) -> Vec<Claim> {
        let running = self.container.as_deref().map(container::resource_of);
        let running = running.map(|resource| Claim { resource, access: Access::Read });
        [Claim { resource: self.of(thing), access }].into_iter().chain(running).collect()
    }
}

/// What is known of a network before something is done to it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Where it is.
    pub place: Place,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// Its interfaces.
    pub links: Vec<String>,
    /// The interface of its default route, IPv4 first.
    pub default_link: Option<String>,
    /// The name servers that the host asks.
    pub resolvers: Vec<IpAddr>,
    /// Whether it speaks IPv6.
    pub has_ipv6: bool,
    /// The tables and chains that iptables makes of nftables, as far as they are there: `ip:table`, `ip:INPUT`.
    pub filter_parts: Vec<String>,
    /// The way we came that must stay open; none where there is none: on this machine, and in containers.
    pub way: Option<Peer>,
    /// What the asked names stand for.
    pub resolved: BTreeMap<String, Vec<IpAddr>>,
}

/// Asks the host about the network that a fault will act on, and what `names` stand for there.
///
/// # Errors
/// When it cannot be asked, a container is not there or not allowed, or it is not known which way we came.
pub async fn look(
    cx: &PrepareContext,
    target: &ServerTarget,
    names: &[String],
) -> Result<Surroundings, FaultError> {
    let container = target.container();
    container.map_or(Ok(()), |container| container::check_allowed(cx, container))?;
    let script = Script::new(PROBE)
        .set("engine", container.map_or("", |container| &container.engine))
        .set("container", container.map_or("", |container| &container.id))
        .args(names);
    let output = super::ask(target, "look at the network", &script, Limits::time(PROBE_MAX)).await?;
    let mut seen = Surroundings::default();
    let mut came_by_ssh = false;
    let fields = output.fields();
    for pair in fields.chunks_exact(2) {
        let [Some(key), Some(value)] = pair else { continue };
        match key.as_str() {
            "came_by_ssh" => came_by_ssh = true,
            "unresolved" => return Err(unresolved(target, value)),
            key => apply(&mut seen, key, value),
        }
    }
    seen.place.container = container.map(|container| container.name.clone());
    if seen.place.netns.is_none() {
        seen.way = target.facts().peer.clone();
        if came_by_ssh && seen.way.is_none() {
            let what = "see which way we came, and that way must stay open";
            return Err(FaultError::Preflight(
                Failure::new(what).hint("the login shell there hides `SSH_CONNECTION`"),
            ));
        }
    }
    Ok(seen)
}

fn apply(seen: &mut Surroundings, key: &str, value: &str) {
    match key {
        "netns" if !value.is_empty() => seen.place.netns = Some(value.to_owned()),
        "first_pid" => seen.place.first = value.parse().ok().map(|pid| (pid, 0)),
        "first_start" => {
            let start = value.parse().ok();
            seen.place.first = seen.place.first.zip(start).map(|((pid, _), start)| (pid, start));
        }
        "address" => seen.addresses.extend(address(value)),
        "link" if !seen.links.iter().any(|link| link == value) => seen.links.push(value.to_owned()),
        "default_link" if seen.default_link.is_none() => seen.default_link = Some(value.to_owned()),
        "resolver" => {
            let new = address(value).filter(|address| !seen.resolvers.contains(address));
            seen.resolvers.extend(new);
        }
        "has_ipv6" => seen.has_ipv6 = true,
        "filter_part" => seen.filter_parts.push(value.to_owned()),
        "resolved" => {
            if let Some((name, found)) = value.split_once(' ') {
                seen.resolved.entry(name.to_owned()).or_default().extend(address(found));
            }
        }
        _ => {}
    }
}

/// Reads an address, without the interface that a link-local one is scoped to.
pub fn address(text: &str) -> Option<IpAddr> {
    let plain = text.split('%').next().unwrap_or(text);
    let address: IpAddr = plain.parse().ok()?;
    Some(address.to_canonical())
}

fn unresolved(target: &ServerTarget, name: &str) -> FaultError {
    let what = format!("find what `{name}` stands for on `{}`", target.facts().hostname);
    FaultError::Preflight(Failure::new(what).hint("give its addresses instead"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_acts_on_the_network_of_a_container_claims_that_it_goes_on() {
        let place = Place { container: Some("web".to_owned()), ..Place::default() };
        let resources = |place: &Place| {
            let claims = place.claims("firewall", Access::Write);
            claims.into_iter().map(|claim| claim.resource).collect::<Vec<_>>()
        };
        assert_eq!(
            resources(&place),
            ["firewall of container web".to_owned(), container::resource_of("web")]
        );
        assert_eq!(resources(&Place::default()), ["firewall"]);
    }
}
