//! Who is meant: names, addresses and networks as people write them.

use std::net::IpAddr;

use chaos_core::{FaultError, Misfit};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::place::Surroundings;
use super::preflight;

/// The most peers in one list.
const PEERS_MAX: usize = 128;
/// The most networks that they may come to, once names are resolved.
const NETS_MAX: usize = 512;
/// The longest name there is.
const NAME_MAX: usize = 253;

/// Somebody that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// By a name, which the host resolves.
    Name(String),
    /// By an address or a network.
    Net(IpNet),
}

/// Reads peers as people write them below `key`.
///
/// # Errors
/// For what is neither a name nor an address nor a network, and for addresses that are the host itself everywhere.
pub fn read(key: &str, peers: &[String]) -> Result<Vec<Peer>, Misfit> {
    if peers.len() > PEERS_MAX {
        let why = format!("`{key}` has {} entries, but {PEERS_MAX} are the most", peers.len());
        return Err(Misfit::new(why).at(key).hint("name networks in place of addresses"));
    }
    let at = |place, why: String| Err(Misfit::new(why).at(key).item(place));
    let read = |(place, text): (usize, &String)| match peer(text) {
        Some(Peer::Net(net)) if net.addr().is_loopback() => {
            at(place, format!("`{key}` must not hold the host itself"))
        }
        Some(peer) => Ok(peer),
        None => at(place, format!("`{key}` must hold host names, addresses or networks")),
    };
    peers.iter().enumerate().map(read).collect()
}

/// Reads networks as people write them below `key`.
///
/// # Errors
/// As for [`read`]; names are none.
pub fn read_nets(key: &str, cidrs: &[String]) -> Result<Vec<Peer>, Misfit> {
    let no_net = cidrs.iter().position(|text| net(text).is_none());
    match no_net {
        Some(place) => Err(Misfit::new(format!("`{key}` must hold networks")).at(key).item(place)),
        None => read(key, cidrs),
    }
}

fn peer(text: &str) -> Option<Peer> {
    let name = || is_name(text).then(|| Peer::Name(text.to_owned()));
    net(text).map(Peer::Net).or_else(name)
}

fn net(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(address.to_canonical()));
    }
    text.parse::<IpNet>().ok().map(|net| net.trunc())
}

/// Returns whether a text can be the name of a host. What is all digits and points was meant as an address.
pub fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !label.is_empty() && label.len() <= 63 && label.chars().all(inner) && !label.starts_with('-')
    };
    let is_number = name.chars().all(|c| c.is_ascii_digit() || c == '.');
    !is_number && name.len() <= NAME_MAX && name.split('.').all(is_label)
}

/// Returns the names among peers.
pub fn names(peers: &[Peer]) -> Vec<String> {
    let name = |peer: &Peer| match peer {
        Peer::Name(name) => Some(name.clone()),
        Peer::Net(_) => None,
    };
    peers.iter().filter_map(name).collect()
}

/// Returns the networks that peers stand for, without overlaps.
///
/// # Errors
/// [`FaultError::Preflight`] when the host itself is among them, or there are too many.
pub fn nets(peers: &[Peer], seen: &Surroundings) -> Result<Vec<IpNet>, FaultError> {
    let mut nets = Vec::new();
    for peer in peers {
        match peer {
            Peer::Net(net) => nets.push(not_itself(*net, &net.to_string(), seen)?),
            Peer::Name(name) => {
                for address in seen.resolved.get(name).into_iter().flatten() {
                    nets.push(not_itself(IpNet::from(*address), name, seen)?);
                }
            }
        }
    }
    let nets = aggregate(&nets);
    if nets.len() > NETS_MAX {
        return Err(preflight(format!("act on {} networks: {NETS_MAX} are the most", nets.len())));
    }
    Ok(nets)
}

fn not_itself(net: IpNet, written: &str, seen: &Surroundings) -> Result<IpNet, FaultError> {
    let is_own = net.prefix_len() == net.max_prefix_len() && seen.addresses.contains(&net.addr());
    if is_own || net.addr().is_loopback() {
        return Err(preflight(format!("take `{written}` as a peer: that is the host itself")));
    }
    Ok(net)
}

/// Joins networks that overlap or touch: a set of nftables refuses them otherwise.
fn aggregate(nets: &[IpNet]) -> Vec<IpNet> {
    let v4: Vec<Ipv4Net> =
        nets.iter().filter_map(|net| if let IpNet::V4(v4) = net { Some(*v4) } else { None }).collect();
    let v6: Vec<Ipv6Net> =
        nets.iter().filter_map(|net| if let IpNet::V6(v6) = net { Some(*v6) } else { None }).collect();
    let v4 = Ipv4Net::aggregate(&v4).into_iter().map(IpNet::V4);
    v4.chain(Ipv6Net::aggregate(&v6).into_iter().map(IpNet::V6)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Surroundings {
        let mut seen =
            Surroundings { addresses: vec!["10.0.0.5".parse().unwrap()], ..Surroundings::default() };
        seen.resolved.insert("db".to_owned(), vec!["10.0.0.9".parse().unwrap(), "fd00::9".parse().unwrap()]);
        seen.resolved.insert("me".to_owned(), vec!["10.0.0.5".parse().unwrap()]);
        seen
    }

    fn all(peers: &[&str]) -> Result<Vec<String>, FaultError> {
        let peers: Vec<_> = peers.iter().map(|peer| (*peer).to_owned()).collect();
        let nets = nets(&read("peers", &peers)?, &seen())?;
        Ok(nets.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn names_addresses_and_networks_come_to_networks_without_overlap() {
        assert_eq!(
            all(&["db", "10.0.0.8", "10.1.2.3/16", "10.1.0.0/24", "::ffff:10.0.0.1"]).unwrap(),
            ["10.0.0.1/32", "10.0.0.8/31", "10.1.0.0/16", "fd00::9/128"]
        );
    }

    #[test]
    fn the_host_itself_is_no_peer_but_may_be_in_a_network_of_peers() {
        for own in ["10.0.0.5", "me"] {
            assert!(matches!(all(&[own]), Err(FaultError::Preflight(_))), "{own}");
        }
        // These need no host to be known.
        for own in ["127.0.0.1", "127.0.0.0/8", "::1"] {
            assert!(matches!(all(&[own]), Err(FaultError::Params(_))), "{own}");
        }
        assert_eq!(all(&["10.0.0.0/24"]).unwrap(), ["10.0.0.0/24"]);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a".repeat(300);
        for bad in [
            "",
            " ",
            "-n",
            "a b",
            "a\nb",
            "a;reboot",
            "$(id)",
            "`id`",
            "a'b",
            "a\"b",
            "10.0.0.0/33",
            "10.0.0",
            "1.2.3.4.5",
            "..",
            "a..b",
            "*",
            "{ 1 }",
            "é",
            "a/b",
            "fe80::1%eth0;x",
            &long,
        ] {
            assert!(matches!(all(&[bad]), Err(FaultError::Params(_))), "{bad:?}");
            assert!(read_nets("cidrs", &[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }
}
