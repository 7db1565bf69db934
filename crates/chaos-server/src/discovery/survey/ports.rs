//! Sockets that listen, and the processes that hold them, from the tables of the kernel.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

/// A socket that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The address that it listens on.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The processes that hold it; empty where nobody may see them.
    pub processes: Vec<Process>,
}

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The name of its program.
    pub name: String,
    /// Its control group, below which its unit can be found.
    pub cgroup: String,
}

/// Puts sockets and processes together.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// Protocol, address, port and inode.
    found: Vec<(String, IpAddr, u16, String)>,
    owners: BTreeMap<String, Vec<u32>>,
    processes: BTreeMap<u32, Process>,
}

impl Sockets {
    /// Takes lines of `tcp 0100007F:0016 INODE`.
    pub(super) fn listening(&mut self, text: &str) {
        let sockets = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let (kind, local, inode) = (words.next()?, words.next()?, words.next()?);
            let (address, port) = local.split_once(':')?;
            let port = u16::from_str_radix(port, 16).ok()?;
            Some((kind.trim_end_matches('6').to_owned(), address_of(address)?, port, inode.to_owned()))
        });
        self.found.extend(sockets);
    }

    /// Takes the number of a process that holds a socket.
    pub(super) fn owned(&mut self, inode: &str, pid: &str) {
        if let Ok(pid) = pid.parse() {
            self.owners.entry(inode.to_owned()).or_default().push(pid);
        }
    }

    /// Takes the name of a process.
    pub(super) fn process(&mut self, pid: &str, name: &str, cgroup: &str) {
        if let Ok(pid) = pid.parse() {
            let (name, cgroup) = (name.trim().to_owned(), cgroup.trim().to_owned());
            self.processes.insert(pid, Process { pid, name, cgroup });
        }
    }

    /// Returns the ports in their order. A port that several sockets share is one.
    pub(super) fn ports(self) -> Vec<Port> {
        let mut ports: BTreeMap<(u16, String, IpAddr), BTreeMap<u32, Process>> = BTreeMap::new();
        for (protocol, address, port, inode) in &self.found {
            let processes = ports.entry((*port, protocol.clone(), *address)).or_default();
            let owners = self.owners.get(inode).into_iter().flatten();
            processes.extend(owners.filter_map(|pid| Some((*pid, self.processes.get(pid)?.clone()))));
        }
        let port =
            |((port, protocol, address), processes): ((u16, String, IpAddr), BTreeMap<u32, Process>)| Port {
                protocol,
                address,
                port,
                processes: processes.into_values().collect(),
            };
        ports.into_iter().map(port).collect()
    }
}

/// Reads an address as the kernel prints it: words of 32 bits in hexadecimal, each in the byte order of the machine, which is
/// little-endian on all that we meet but S/390.
fn address_of(text: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(text.get(at..at + 8)?, 16).ok().map(u32::swap_bytes);
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from_bits(word(0)?))),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bits = words.into_iter().fold(0_u128, |bits, word| (bits << 32) | u128::from(word));
            Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_prints_them() {
        let read = |text| address_of(text).map(|address| address.to_string());
        assert_eq!(read("0100007F").as_deref(), Some("127.0.0.1"));
        assert_eq!(read("00000000000000000000000001000000").as_deref(), Some("::1"));
        assert_eq!(read("000077FD000000000000000002000000").as_deref(), Some("fd77::2"));
        assert_eq!(read("01"), None);
        assert_eq!(read("zz00007F"), None);
    }

    #[test]
    fn a_port_names_every_process_that_holds_it_once() {
        let mut sockets = Sockets::default();
        sockets.listening("tcp 00000000:0050 11\ntcp 00000000:0050 12\nudp 0100007F:0035 13\nbroken\n");
        for (inode, pid) in [("11", "7"), ("12", "7"), ("12", "8"), ("12", "no")] {
            sockets.owned(inode, pid);
        }
        sockets.process("7", "nginx\n", "/system.slice/nginx.service");
        sockets.process("8", "nginx\n", "/system.slice/nginx.service");
        let ports = sockets.ports();
        let shown =
            |port: &Port| (port.port, port.processes.iter().map(|process| process.pid).collect::<Vec<_>>());
        assert_eq!(ports.iter().map(shown).collect::<Vec<_>>(), [(53, vec![]), (80, vec![7, 8])]);
    }
}
