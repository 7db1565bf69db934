//! The units of a host that no fault ever touches: without them nobody gets in, or nothing runs.
//!
//! Units are compared by their whole names, or by the part before a `-`, `@` or `.` where a family is meant, never by what they contain:
//! `postgresql.service` has nothing to do with a pattern for `sql`.

/// Which units a line of the list means.
enum Pattern {
    /// This name with any type: `ssh` is `ssh.service` and `ssh.socket`.
    Named(&'static str),
    /// An instance or the template of this name: `getty@` is `getty@tty1.service`.
    Instances(&'static str),
    /// Every unit whose name begins so.
    Begins(&'static str),
    /// Exactly this unit, with its type.
    Exactly(&'static str),
    /// Every unit of this type.
    Type(&'static str),
}

use Pattern::{Begins, Exactly, Instances, Named, Type};

const LOGIN: &str = "it lets people in over SSH";
const CONSOLE: &str = "it lets people in at the console";
const MANAGER: &str = "it is a part of systemd";
const BUS: &str = "services talk to each other and to systemd through it";
const NETWORK: &str = "the host is reached through the network that it manages";
const DISKS: &str = "the host may reach its own disks through it";
const CLOUD: &str = "the cloud manages the machine through it";
const SESSION: &str = "it holds the sessions of users";
const BOOT: &str = "it is how the host starts and stops";

/// The list. Whoever adds to it gives a reason that people read.
const NEVER: &[(Pattern, &str)] = &[
    (Named("ssh"), LOGIN),
    (Named("sshd"), LOGIN),
    (Instances("ssh@"), LOGIN),
    (Instances("sshd@"), LOGIN),
    (Named("sshd-keygen"), LOGIN),
    (Named("sshd-unix-local"), LOGIN),
    (Named("sshd-vsock"), LOGIN),
    (Named("dropbear"), LOGIN),
    (Instances("dropbear@"), LOGIN),
    (Instances("getty@"), CONSOLE),
    (Instances("autovt@"), CONSOLE),
    (Named("getty"), CONSOLE),
    (Named("getty-static"), CONSOLE),
    (Named("console-getty"), CONSOLE),
    (Instances("container-getty@"), CONSOLE),
    (Instances("serial-getty@"), CONSOLE),
    (Named("debug-shell"), CONSOLE),
    (Named("emergency"), CONSOLE),
    (Named("rescue"), CONSOLE),
    (Begins("systemd-"), MANAGER),
    (Exactly("init.scope"), MANAGER),
    (Exactly("system.slice"), MANAGER),
    (Exactly("machine.slice"), MANAGER),
    (Exactly("-.slice"), MANAGER),
    (Exactly("-.mount"), BOOT),
    (Named("dbus"), BUS),
    (Named("dbus-broker"), BUS),
    (Begins("dbus-org."), BUS),
    (Named("networking"), NETWORK),
    (Named("network"), NETWORK),
    (Named("NetworkManager"), NETWORK),
    (Begins("NetworkManager-"), NETWORK),
    (Named("wicked"), NETWORK),
    (Begins("wickedd"), NETWORK),
    (Named("connman"), NETWORK),
    (Named("dhcpcd"), NETWORK),
    (Instances("dhcpcd@"), NETWORK),
    (Instances("ifup@"), NETWORK),
    (Instances("dhclient@"), NETWORK),
    (Named("netplan"), NETWORK),
    (Named("wpa_supplicant"), NETWORK),
    (Instances("wpa_supplicant@"), NETWORK),
    (Named("iwd"), NETWORK),
    (Instances("wg-quick@"), NETWORK),
    (Named("tailscaled"), NETWORK),
    (Named("zerotier-one"), NETWORK),
    (Named("netbird"), NETWORK),
    (Instances("openvpn@"), NETWORK),
    (Instances("openvpn-client@"), NETWORK),
    (Instances("openvpn-server@"), NETWORK),
    (Named("iscsid"), DISKS),
    (Named("iscsi"), DISKS),
    (Named("open-iscsi"), DISKS),
    (Named("multipathd"), DISKS),
    (Named("amazon-ssm-agent"), CLOUD),
    (Named("snap.amazon-ssm-agent.amazon-ssm-agent"), CLOUD),
    (Named("google-guest-agent"), CLOUD),
    (Named("google-guest-agent-manager"), CLOUD),
    (Named("google-osconfig-agent"), CLOUD),
    (Named("google-startup-scripts"), CLOUD),
    (Named("google-shutdown-scripts"), CLOUD),
    (Named("walinuxagent"), CLOUD),
    (Named("waagent"), CLOUD),
    (Begins("walinuxagent-"), CLOUD),
    (Named("oracle-cloud-agent"), CLOUD),
    (Named("cloud-init"), CLOUD),
    (Begins("cloud-init-"), CLOUD),
    (Named("cloud-config"), CLOUD),
    (Named("cloud-final"), CLOUD),
    (Named("hetzner-agent"), CLOUD),
    (Named("do-agent"), CLOUD),
    (Named("droplet-agent"), CLOUD),
    (Named("qemu-guest-agent"), CLOUD),
    (Named("qemu-ga"), CLOUD),
    (Named("open-vm-tools"), CLOUD),
    (Named("vmtoolsd"), CLOUD),
    (Named("hv-kvp-daemon"), CLOUD),
    (Instances("user@"), SESSION),
    (Instances("user-runtime-dir@"), SESSION),
    (Begins("user-"), SESSION),
    (Exactly("user.slice"), SESSION),
    (Begins("session-"), SESSION),
    (Type("target"), BOOT),
    (Type("device"), BOOT),
];

/// Returns why no fault may ever touch this unit; `unit` has its type (`ssh.service`), or is a service.
pub fn reason(unit: &str) -> Option<&'static str> {
    let (name, kind) = split(unit);
    let is_meant = |pattern: &Pattern| match pattern {
        Named(named) => name == *named,
        Instances(template) => name.starts_with(template),
        Begins(begin) => name.starts_with(begin),
        Exactly(exactly) => unit == *exactly,
        Type(only) => kind == *only,
    };
    NEVER.iter().find(|(pattern, _)| is_meant(pattern)).map(|(_, why)| *why)
}

/// Returns why no fault may touch this unit of a host that we are logged in to through `own_units`
/// ([`Facts::own_units`](crate::Facts)).
pub fn reason_here(unit: &str, own_units: &[String]) -> Option<&'static str> {
    let whole = whole(unit);
    if own_units.contains(&whole) {
        return Some("we are connected through it");
    }
    reason(&whole)
}

/// The types that a unit can have, as its name ends.
const TYPES: &[&str] = &[
    "service",
    "socket",
    "target",
    "timer",
    "mount",
    "automount",
    "slice",
    "scope",
    "path",
    "device",
    "swap",
];

/// Returns name and type; what has none is a service.
fn split(unit: &str) -> (&str, &str) {
    match unit.rsplit_once('.') {
        Some((name, kind)) if TYPES.contains(&kind) => (name, kind),
        _ => (unit, "service"),
    }
}

/// Returns the name with its type: `nginx` is `nginx.service`.
pub fn whole(unit: &str) -> String {
    let (name, kind) = split(unit);
    format!("{name}.{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_people_in_and_what_runs_everything_is_never_touched() {
        for unit in [
            "ssh",
            "ssh.service",
            "ssh.socket",
            "sshd.service",
            "sshd@3-10.0.0.1:22-10.0.0.2:4242.service",
            "systemd-journald.service",
            "systemd-journald.socket",
            "systemd-networkd",
            "systemd-logind.service",
            "dbus.service",
            "dbus.socket",
            "dbus-broker.service",
            "networking.service",
            "NetworkManager.service",
            "getty@tty1.service",
            "serial-getty@ttyS0.service",
            "amazon-ssm-agent.service",
            "snap.amazon-ssm-agent.amazon-ssm-agent.service",
            "cloud-init.service",
            "cloud-init-local.service",
            "qemu-guest-agent.service",
            "walinuxagent.service",
            "google-guest-agent.service",
            "openvpn-client@office.service",
            "multipathd.socket",
            "init.scope",
            "-.slice",
            "system.slice",
            "user@0.service",
            "user-1000.slice",
            "session-3.scope",
            "multi-user.target",
            "-.mount",
        ] {
            assert!(reason(unit).is_some(), "{unit}");
        }
    }

    #[test]
    fn a_name_that_only_contains_or_resembles_one_of_the_list_may_be_touched() {
        for unit in [
            "postgresql.service",
            "postgresql@15-main.service",
            "nginx",
            "my-ssh.service",
            "sshguard.service",
            "notsystemd-x.service",
            "dbusd.service",
            "mysystemd-thing.service",
            "user.service",
            "users.service",
            "usermanager.service",
            "networker.service",
            "network-exporter.service",
            "cloud-initiative.service",
            "session.service",
            "ssh-tunnel.service",
            "target.service",
            "getty-like.service",
            "docker.service",
            "system.service",
            "app.v2",
            "cron.service",
        ] {
            assert_eq!(reason(unit), None, "{unit}");
        }
    }

    #[test]
    fn the_units_of_our_own_login_are_never_touched() {
        let own = ["jumpd.service".to_owned(), "custom.slice".to_owned()];
        assert_eq!(reason_here("jumpd", &own), Some("we are connected through it"));
        assert_eq!(reason_here("custom.slice", &own), Some("we are connected through it"));
        assert_eq!(reason_here("nginx", &own), None);
        assert_eq!(reason_here("ssh", &own), Some(LOGIN));
    }
}
