//! A queue of ours at the root of an interface: it slows, delays, loses or spoils what the host sends there.

use std::fmt;
use std::time::Duration;

use chaos_core::{Access, Failure, FaultError, Misfit, PrepareContext};
use chaos_host::{Limits, Script};
use serde::{Deserialize, Serialize};

use super::place::{self, Place, Surroundings};
use crate::host_fault::HostFacts;
use crate::target::ServerTarget;

/// The longest name of an interface that the kernel takes.
const LINK_MAX: usize = 15;

/// A queue of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qdisc {
    /// The network of the interface.
    #[serde(default)]
    pub place: Place,
    /// The interface.
    pub link: String,
    /// The kind of queue that the interface had, under the handle 0 that nobody chose.
    pub was: String,
    /// What our queue does.
    pub shape: Shape,
}

/// What a queue does to what the host sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Sends at most so much a second.
    Tbf {
        /// Bits a second.
        rate_bits: u64,
        /// Bytes that may go at once.
        burst_bytes: u64,
        /// The longest that a packet waits, in microseconds; then it is dropped.
        latency_us: u64,
    },
    /// Delays packets.
    Delay {
        /// By so many microseconds.
        delay_us: u64,
        /// More or less so many.
        jitter_us: u64,
        /// How much the next delay depends on the last one, in thousandths of a percent.
        correlation: u32,
    },
    /// Loses packets.
    Loss {
        /// So many of them, in thousandths of a percent.
        share: u32,
        /// How much the next one depends on the last one.
        correlation: u32,
    },
    /// Turns over one bit in packets.
    Corrupt {
        /// In so many of them, in thousandths of a percent.
        share: u32,
        /// How much the next one depends on the last one.
        correlation: u32,
    },
    /// Sends packets twice.
    Duplicate {
        /// So many of them, in thousandths of a percent.
        share: u32,
        /// How much the next one depends on the last one.
        correlation: u32,
    },
}

/// Packets that a delaying queue holds at most. The kernel's 1000 are lost at once on a fast link with a long delay; each takes
/// about 2 KB of memory.
const HELD_MAX: &str = "20000";

/// The kind of queue that sends at a rate.
pub const TBF: &str = "tbf";
/// The kind of queue that delays, loses, spoils and doubles packets.
pub const NETEM: &str = "netem";

impl Shape {
    /// Returns the kind of queue, as `tc` and the kernel call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tbf { .. } => TBF,
            Self::Delay { .. } | Self::Loss { .. } | Self::Corrupt { .. } | Self::Duplicate { .. } => NETEM,
        }
    }

    /// Returns the arguments for `tc` after the kind.
    pub fn arguments(&self) -> Vec<String> {
        let netem = |words: Vec<String>| {
            let limit = ["limit", HELD_MAX].map(str::to_owned);
            limit.into_iter().chain(words).collect()
        };
        let some = |word: &str, share: &u32, correlation: &u32| {
            let mut words = vec![word.to_owned(), percent(*share)];
            words.extend((*correlation > 0).then(|| percent(*correlation)));
            netem(words)
        };
        match self {
            Self::Tbf { rate_bits, burst_bytes, latency_us } => [
                "rate",
                &format!("{rate_bits}bit"),
                "burst",
                &format!("{burst_bytes}b"),
                "latency",
                &format!("{latency_us}us"),
            ]
            .map(str::to_owned)
            .to_vec(),
            Self::Delay { delay_us, jitter_us, correlation } => {
                let mut words = vec!["delay".to_owned(), format!("{delay_us}us")];
                // `tc` takes a correlation only after a jitter.
                words.extend((*jitter_us > 0).then(|| format!("{jitter_us}us")));
                words.extend((*jitter_us > 0 && *correlation > 0).then(|| percent(*correlation)));
                netem(words)
            }
            Self::Loss { share, correlation } => some("loss", share, correlation),
            Self::Corrupt { share, correlation } => some("corrupt", share, correlation),
            Self::Duplicate { share, correlation } => some("duplicate", share, correlation),
        }
    }
}

/// Writes thousandths of a percent as a percentage.
fn percent(thousandths: u32) -> String {
    let (whole, part) = (thousandths / 1000, thousandths % 1000);
    if part == 0 { format!("{whole}%") } else { format!("{whole}.{part:03}%") }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |us: &u64| format!("{:?}", Duration::from_micros(*us));
        match self {
            Self::Tbf { rate_bits, .. } => write!(f, "send at most {rate_bits} bits a second"),
            Self::Delay { delay_us, jitter_us: 0, .. } => {
                write!(f, "delay every packet by {}", micros(delay_us))
            }
            Self::Delay { delay_us, jitter_us, .. } => {
                write!(f, "delay every packet by {} ± {}", micros(delay_us), micros(jitter_us))
            }
            Self::Loss { share, .. } => write!(f, "lose {} of the packets sent", percent(*share)),
            Self::Corrupt { share, .. } => write!(f, "spoil {} of the packets sent", percent(*share)),
            Self::Duplicate { share, .. } => write!(f, "send {} of the packets twice", percent(*share)),
        }
    }
}

impl fmt::Display for Qdisc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.shape, self.place.of(&self.link))?;
        if self.place.netns.is_none() { write!(f, ", our SSH too") } else { Ok(()) }
    }
}

/// What is known of an interface before its queue is replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    place: Place,
    name: String,
    /// The kind of its queue.
    was: String,
    /// The largest packet in bytes.
    pub mtu: u64,
}

impl Link {
    /// Looks at an interface, `wanted` or the one of the default route, that a queue of `kind` shall go to.
    ///
    /// # Errors
    /// When it is not there, has a queue of somebody's own, or the kernel knows no such queue.
    pub async fn look(
        cx: &PrepareContext,
        target: &ServerTarget,
        wanted: Option<&str>,
        kind: &'static str,
    ) -> Result<Self, FaultError> {
        let seen = place::look(cx, target, &[]).await?;
        let name = choose(&seen, wanted)?;
        let script = seen.place.script(include_str!("qdisc_look.sh")).set("link", &name).set("kind", kind);
        let what = format!("look at the queue of `{name}`");
        let output = super::ask(target, &what, &script, Limits::default()).await?;
        let fields = output.fields();
        let field = |wanted: &str| {
            fields
                .chunks_exact(2)
                .find(|pair| pair[0].as_deref() == Some(wanted))
                .and_then(|pair| pair[1].clone())
        };
        if field("known").as_deref() == Some("no") {
            return Err(unknown(target, kind));
        }
        let (was, handle) = (field("root").unwrap_or_default(), field("handle").unwrap_or_default());
        if handle != "0:" {
            let what = format!("put a queue on `{name}`: it has one of somebody's own, `{was} {handle}`");
            return Err(FaultError::Preflight(Failure::new(what).hint("choose another interface")));
        }
        let mtu = field("mtu").and_then(|mtu| mtu.parse().ok()).unwrap_or(0);
        Ok(Self { place: seen.place, name, was, mtu })
    }

    /// Returns the queue that shall go there.
    pub fn queue(self, shape: Shape) -> Qdisc {
        Qdisc { place: self.place, link: self.name, was: self.was, shape }
    }
}

fn unknown(target: &ServerTarget, kind: &str) -> FaultError {
    let facts = target.facts();
    let what = format!("find `sch_{kind}` in the kernel {} of `{}`", facts.kernel, facts.hostname);
    let hint = match kind {
        NETEM => {
            "install the kernel's module for it (often `linux-modules-extra` or `kernel-modules-extra`), or use \
             `server.network_bandwidth` or `server.network_partition`"
        }
        _ => "install the kernel's module for it",
    };
    FaultError::Preflight(Failure::new(what).hint(hint))
}

fn choose(seen: &Surroundings, wanted: Option<&str>) -> Result<String, FaultError> {
    if let Some(name) = wanted {
        return Ok(name.to_owned());
    }
    seen.default_link.clone().ok_or_else(|| {
        let what = "find the interface of the default route";
        FaultError::Preflight(Failure::new(what).hint("name one: `interface: eth0`"))
    })
}

/// Refuses what cannot be the name of an interface. The kernel takes nearly anything; nobody uses more than this.
pub(super) fn check_name(name: &str) -> Result<(), Misfit> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
    let is_name =
        (1..=LINK_MAX).contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with('-');
    if is_name && name != "." && name != ".." {
        return Ok(());
    }
    let why = format!("`interface` must be a name of 1 to {LINK_MAX} letters, digits and `._-:`");
    Err(Misfit::new(why).at("interface").hint("`ip link` on the host lists its interfaces"))
}

impl Qdisc {
    /// Returns what people and policy must know.
    pub fn facts(&self) -> HostFacts {
        HostFacts {
            undo: format!(
                "takes its queue off {}, so that {} is there again",
                self.place.of(&self.link),
                self.was
            ),
            claims: self.place.claims(&format!("interface {} queue", self.link), Access::BlockAll),
            names: super::names(&[]),
            mounts: Vec::new(),
        }
    }

    /// Returns the script that puts the queue there.
    pub fn inject(&self, id: &str) -> Script {
        self.script(include_str!("qdisc_inject.sh"), id).args(self.shape.arguments())
    }

    /// Returns the script that takes it away.
    pub fn undo(&self, id: &str) -> Script {
        self.script(include_str!("qdisc_undo.sh"), id).set("was", &self.was)
    }

    /// Returns the script that counts what went through it.
    pub fn measure(&self, id: &str) -> Script {
        self.script(include_str!("qdisc_measure.sh"), id)
    }

    fn script(&self, text: &'static str, id: &str) -> Script {
        self.place
            .script(text)
            .set("link", &self.link)
            .set("kind", self.shape.kind())
            .set("handle", handle(id))
    }
}

/// Returns the handle of our queue. Each step has its own, so that no undo takes the queue of another run; the kernel
/// itself chooses from 8000 on.
fn handle(id: &str) -> String {
    format!("{:x}:", 0x1000 + super::hash(id) % 0x7000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(shape: &Shape) -> String {
        shape.arguments().join(" ")
    }

    #[test]
    fn the_arguments_of_netem_are_what_tc_reads() {
        let delay = |jitter_us, correlation| Shape::Delay { delay_us: 100_000, jitter_us, correlation };
        assert_eq!(arguments(&delay(0, 0)), "limit 20000 delay 100000us");
        assert_eq!(arguments(&delay(10_000, 0)), "limit 20000 delay 100000us 10000us");
        assert_eq!(arguments(&delay(10_000, 25_000)), "limit 20000 delay 100000us 10000us 25%");
        assert_eq!(arguments(&delay(0, 25_000)), "limit 20000 delay 100000us");
        assert_eq!(arguments(&Shape::Loss { share: 12_500, correlation: 0 }), "limit 20000 loss 12.500%");
        assert_eq!(arguments(&Shape::Corrupt { share: 50, correlation: 0 }), "limit 20000 corrupt 0.050%");
        assert_eq!(
            arguments(&Shape::Duplicate { share: 5_000, correlation: 1_000 }),
            "limit 20000 duplicate 5% 1%"
        );
    }

    #[test]
    fn a_handle_is_of_our_range_and_differs_between_steps() {
        let handles: std::collections::BTreeSet<_> =
            (0..50).map(|n| handle(&format!("chaos_x_{n}"))).collect();
        assert!(handles.len() > 45);
        for handle in handles {
            let major = u32::from_str_radix(handle.trim_end_matches(':'), 16).unwrap();
            assert!((0x1000..0x8000).contains(&major), "{handle}");
        }
    }

    #[test]
    fn what_is_no_name_of_an_interface_is_refused() {
        for bad in [
            "",
            "-eth0",
            "eth0;reboot",
            "a b",
            "a\nb",
            "$(id)",
            "../x",
            "..",
            "/",
            "eth0'",
            "sixteen_letters_",
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["eth0", "enp0s31f6", "br-1a2b", "eth0.100", "eth0:1", "wg_0"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
    }
}
