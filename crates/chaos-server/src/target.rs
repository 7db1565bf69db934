//! A connected host: who it is, and what it can do.

use std::time::{Duration, Instant};

use chaos_core::target::{DiscoverFilter, Inventory};
use chaos_core::{Failure, FaultError, Target, TargetIdentity};
use chaos_host::rope::ARM_MAX;
use chaos_host::{Host, RopeHandle, RopeKind};

use crate::config::Discovery;

/// What is known of a host from the one question that is asked when it is connected (`facts.sh`).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Facts {
    /// What it is: `Debian GNU/Linux 12 (bookworm)`.
    pub os: String,
    /// The release of its kernel: `6.1.0-18-amd64`.
    pub kernel: String,
    /// Its name for itself.
    pub hostname: String,
    /// What stays the same over reboots and differs for every other machine.
    pub machine_id: String,
    /// What differs after every reboot.
    pub boot_id: String,
    /// How long it had been up when it was asked, in seconds, where it says so.
    pub uptime: Option<u64>,
    /// Whether systemd manages it (`/run/systemd/system` exists).
    pub has_systemd: bool,
    /// Whether scripts run as root there.
    pub is_root: bool,
    /// Who scripts run as.
    pub user: String,
    /// The tools of [`crate::discovery::TOOLS`] that are there.
    pub tools: Vec<String>,
    /// Free space of `/run`, where effects that a reboot takes have their undo, in KiB.
    pub run_free_kib: Option<u64>,
    /// Free space of `/var/lib` and `/etc/systemd/system`, where effects that outlive a reboot have their undo, in KiB: that of the
    /// fuller one.
    pub lasting_free_kib: Option<u64>,
    /// Whether `/etc/systemd/system` and `/var/lib` can be written.
    pub is_lasting_writable: bool,
    /// The address that we come from, as the host sees it, with the port we came to; absent on this machine itself.
    pub peer: Option<Peer>,
    /// Its own address that we came to; empty on this machine itself.
    pub address: String,
    /// The units that our login and the server that let us in run in, and those above them; they are never touched.
    pub own_units: Vec<String>,
}

/// Where our connection comes from and arrives, as the host sees it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Peer {
    /// Our address, or that of the last jump host.
    pub address: String,
    /// The port of the host that we came to.
    pub port: u16,
}

/// A connected host.
pub struct ServerTarget {
    identity: TargetIdentity,
    host: Host,
    facts: Facts,
    /// When the facts were there; not for this machine itself, whose clock stands while it sleeps.
    asked: Option<Instant>,
    discovery: Discovery,
    container: Option<Container>,
    margin: Duration,
}

/// A container on the host that the faults act on in place of the host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Container {
    /// The program that manages it: `docker`, `podman`, `nerdctl`.
    pub engine: String,
    /// Its name, as the configuration gives it.
    pub name: String,
    /// Its full id.
    pub id: String,
    /// Why it cannot be found, where it cannot: then there is no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// How long after the hold the host undoes without us, unless the configuration says otherwise: time for the faults injected
/// after this one, and for our own undo.
pub const MARGIN: Duration = Duration::from_secs(60);

/// How far two looks at the uptime of a host may differ from the time between them, in seconds.
const CLOCKS_DIFFER: u64 = 3;

/// Room that the service manager needs in `/run` to load units, in KiB: with less than 16 MiB it refuses.
const RUN_FREE_MIN_KIB: u64 = 17 * 1024;
/// What an undo in `/run` needs where nothing else is started: it is some ten KiB long, and is written once more where it was damaged.
const ROPE_FREE_MIN_KIB: u64 = 1024;

/// Room that undo, deadline and boot unit of an effect need that outlives a reboot, in KiB. The undo of ten thousand changed
/// permissions has some MiB; without the room for it nothing could be armed, and then not even that could be written down.
const LASTING_FREE_MIN_KIB: u64 = 8 * 1024;

impl ServerTarget {
    /// Puts together what the connector found.
    pub(crate) fn new(
        identity: TargetIdentity,
        host: Host,
        facts: Facts,
        asked: Option<Instant>,
        discovery: Discovery,
        container: Option<Container>,
    ) -> Self {
        Self { identity, host, facts, asked, discovery, container, margin: MARGIN }
    }

    /// Sets how long after the hold the host undoes without us.
    #[must_use]
    pub(crate) fn with_margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// Returns how long after the hold the host undoes without us.
    pub fn margin(&self) -> Duration {
        self.margin
    }

    /// Returns how to act there.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns how long it will have been up, in seconds, when nobody waits any more for an arming that is sent now. A little less, for
    /// both clocks are read by the second and one after the other.
    pub(crate) fn arming_is_late_at(&self) -> Option<u64> {
        let left = (self.asked?.elapsed() + ARM_MAX).as_secs().saturating_sub(CLOCKS_DIFFER);
        self.facts.uptime.map(|uptime| uptime + left)
    }

    /// Returns what is known of it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns the container that faults act on, where the configuration names one.
    pub fn container(&self) -> Option<&Container> {
        self.container.as_ref()
    }

    /// Refuses where the configuration names a container that is not there.
    pub(crate) fn require_container(&self) -> Result<(), FaultError> {
        let Some(Container { name, missing: Some(why), .. }) = &self.container else { return Ok(()) };
        let what = format!("find the container `{name}`, for `{}`", self.identity.label);
        Err(FaultError::Preflight(Failure::new(what).source(why.clone())))
    }

    /// Returns what the configuration says about what may be looked at and touched.
    pub fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// Returns whether this tool is there.
    pub fn has(&self, tool: &str) -> bool {
        self.facts.tools.iter().any(|known| known == tool)
    }

    /// Refuses unless all these tools are there; a fault says here what its scripts call beyond POSIX.
    pub fn require(&self, tools: &[&str]) -> Result<(), FaultError> {
        let missing: Vec<_> = tools.iter().filter(|tool| !self.has(tool)).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let what = format!("find `{}` on `{}`", missing.join("`, `"), self.identity.label);
        Err(FaultError::Preflight(Failure::new(what).hint("install it there, or choose another fault")))
    }

    /// Refuses where scripts do not run as root.
    pub fn require_root(&self) -> Result<(), FaultError> {
        if self.facts.is_root {
            return Ok(());
        }
        let what =
            format!("act as root on `{}`: scripts run as `{}` there", self.identity.label, self.facts.user);
        Err(FaultError::Preflight(Failure::new(what).hint("log in as root, or set `become: sudo`")))
    }

    /// Refuses where systemd does not manage the host.
    pub fn require_systemd(&self) -> Result<(), FaultError> {
        if self.facts.has_systemd {
            return Ok(());
        }
        let what = format!("find systemd on `{}`, which this fault needs", self.identity.label);
        Err(FaultError::Preflight(Failure::new(what)))
    }

    /// Refuses where no deadline can be put in place: no undo, no fault.
    pub(crate) fn require_rope(&self, lasting: bool) -> Result<(), FaultError> {
        self.require_root()?;
        // What the deadline is armed and read back with.
        self.require(&["sha256sum"])?;
        let label = &self.identity.label;
        let refuse = |why: String| Err(FaultError::Preflight(Failure::new(why)));
        let needed = match (self.facts.has_systemd, lasting) {
            (true, _) => RUN_FREE_MIN_KIB,
            (false, false) => ROPE_FREE_MIN_KIB,
            (false, true) => 0,
        };
        if let Some(free) = self.facts.run_free_kib.filter(|free| *free < needed) {
            return refuse(format!(
                "put a deadline on `{label}`: /run has {free} KiB free, and {needed} are needed"
            ));
        }
        let survives = format!("put a deadline on `{label}` that survives a reboot");
        if lasting && !self.facts.is_lasting_writable {
            return refuse(format!("{survives}: /var/lib or /etc/systemd/system cannot be written"));
        }
        match self.facts.lasting_free_kib {
            Some(free) if lasting && free < LASTING_FREE_MIN_KIB => refuse(format!(
                "{survives}: /var/lib or /etc/systemd/system has {free} KiB free, and {LASTING_FREE_MIN_KIB} are needed"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Names the rope of one step.
    pub(crate) fn rope(&self, id: String, lasting: bool, mounts: Vec<String>) -> RopeHandle {
        let base = if lasting { "/var/lib" } else { "/run" };
        let kind = if self.facts.has_systemd { RopeKind::Systemd } else { RopeKind::Detached };
        RopeHandle {
            dir: format!("{base}/{id}"),
            id,
            kind,
            lasting,
            boot: self.facts.boot_id.clone(),
            mounts,
            after: Vec::new(),
        }
    }
}

impl Target for ServerTarget {
    fn identity(&self) -> &TargetIdentity {
        &self.identity
    }

    /// A login costs a host more than most undos, and a connection cannot move to another machine, nor outlive a reboot.
    async fn is_still_there(&self) -> bool {
        self.host.answers().await
    }

    async fn discover(&self, filter: &DiscoverFilter) -> Result<Inventory, FaultError> {
        crate::discovery::discover(self, filter).await
    }
}
