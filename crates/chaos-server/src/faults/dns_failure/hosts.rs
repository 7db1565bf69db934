//! Wrong answers for chosen names: a copy of the hosts file with lines of ours, laid over it.
//!
//! The hosts file itself is not touched: a mount covers it, and goes without a trace. While it lies there the file cannot be
//! written, so that nobody's change is lost with our copy.

use std::net::IpAddr;
use std::time::Duration;

use chaos_core::{Failure, FaultError};
use chaos_host::{Limits, Script};
use serde::{Deserialize, Serialize};

use crate::faults::network::{list, preflight};
use crate::target::ServerTarget;

const INJECT: &str = concat!(include_str!("hosts.sh"), include_str!("hosts_inject.sh"));
const UNDO: &str = concat!(include_str!("hosts.sh"), include_str!("hosts_undo.sh"));
const MEASURE: &str = concat!(include_str!("hosts.sh"), include_str!("hosts_measure.sh"));
/// Each name is asked for, in at most ten seconds.
pub(super) const ASK_MAX: Duration = Duration::from_secs(240);

/// Wrong answers for chosen names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// The hosts file, with links resolved.
    pub file: String,
    /// The names.
    pub names: Vec<String>,
    /// What they get for an answer.
    pub answers: Vec<IpAddr>,
}

/// How a host resolves names.
#[derive(Debug, Default)]
pub(super) struct Resolving {
    file: String,
    sources: Vec<String>,
    caches: Vec<String>,
    is_elsewhere: bool,
    missing: Vec<String>,
    in_file: Vec<String>,
}

impl Resolving {
    /// Asks a host how it resolves names.
    pub(super) async fn look(target: &ServerTarget, names: &[String]) -> Result<Self, FaultError> {
        let script = Script::new(include_str!("look.sh")).args(names);
        let what = "see how the host resolves names";
        let fields = target.host().must(what, &script, Limits::time(ASK_MAX)).await?.fields();
        let mut seen = Self::default();
        for pair in fields.chunks_exact(2) {
            let [Some(key), Some(value)] = pair else { continue };
            match key.as_str() {
                "hosts_file" => seen.file.clone_from(value),
                "sources" => seen.sources = value.split_whitespace().map(str::to_owned).collect(),
                "cache" => seen.caches.push(value.clone()),
                "elsewhere" => seen.is_elsewhere = true,
                "missing" => seen.missing.push(value.clone()),
                "in_file" => seen.in_file.push(value.clone()),
                _ => {}
            }
        }
        Ok(seen)
    }

    /// Returns whether programs ask systemd-resolved directly, and not a name server.
    pub(super) fn asks_resolved(&self) -> bool {
        let place = |source: &str| self.sources.iter().position(|known| known == source);
        place("resolve").is_some_and(|resolve| place("dns").is_none_or(|dns| resolve < dns))
    }

    /// Refuses where a line in the hosts file would not be believed, or could not be taken back.
    pub(super) fn check_hosts(&self) -> Result<(), FaultError> {
        if let [first, ..] = self.in_file.as_slice() {
            let what = format!("give `{first}` a wrong answer: the hosts file of the host has one already");
            return Err(preflight(what));
        }
        if !self.missing.is_empty() {
            return Err(preflight(format!("find `{}` on the host", self.missing.join("`, `"))));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
        if !self.file.starts_with('/') || !self.file.chars().all(is_plain) {
            return Err(preflight(format!(
                "find the hosts file of the host, which is said to be `{}`",
                self.file
            )));
        }
        if self.is_elsewhere {
            let what =
                "lay a file over the hosts file: our login sees other mounts than the rest of the host";
            return Err(preflight(what));
        }
        if let [cache, ..] = self.caches.as_slice() {
            let what = format!("give wrong answers: `{cache}` keeps answers, also after the undo");
            return Err(FaultError::Preflight(Failure::new(what).hint("stop it for the experiment")));
        }
        let place = |source: &str| self.sources.iter().position(|known| known == source);
        let files = place("files");
        let is_first =
            ["dns", "resolve"].iter().filter_map(|source| place(source)).all(|asked| files < Some(asked));
        if !self.sources.is_empty() && (files.is_none() || !is_first) {
            let what = format!("give wrong answers: the host asks `{}` in this order", list(&self.sources));
            let hint = "the hosts file is believed only with `files` before `dns` and `resolve` in /etc/nsswitch.conf";
            return Err(FaultError::Preflight(Failure::new(what).hint(hint)));
        }
        Ok(())
    }

    /// Returns the wrong answers.
    pub(super) fn hosts(self, names: Vec<String>, answers: Vec<IpAddr>) -> Hosts {
        Hosts { file: self.file, names, answers }
    }
}

impl Hosts {
    /// Returns the script that lays the file.
    pub(super) fn inject(&self, id: &str) -> Script {
        self.script(INJECT, id)
    }

    /// Returns the script that takes it off.
    pub(super) fn undo(&self, id: &str) -> Script {
        Script::new(UNDO).set("id", id).set("file", &self.file)
    }

    /// Returns the script that looks whether the answers are still wrong.
    pub(super) fn measure(&self, id: &str) -> Script {
        self.script(MEASURE, id)
    }

    fn script(&self, text: &'static str, id: &str) -> Script {
        let answers: Vec<_> = self.answers.iter().map(ToString::to_string).collect();
        Script::new(text)
            .set("id", id)
            .set("file", &self.file)
            .set("names", self.names.join(" "))
            .set("wrong", answers.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(sources: &str) -> Resolving {
        Resolving {
            file: "/etc/hosts".to_owned(),
            sources: sources.split_whitespace().map(str::to_owned).collect(),
            ..Resolving::default()
        }
    }

    #[test]
    fn the_hosts_file_is_believed_only_where_it_is_asked_first() {
        for good in [
            "files dns",
            "",
            "files mymachines resolve [!UNAVAIL=return] dns",
            "mdns4_minimal files dns",
            "files",
        ] {
            assert!(host(good).check_hosts().is_ok(), "{good}");
        }
        for bad in ["dns files", "dns", "resolve [!UNAVAIL=return] files dns", "myhostname"] {
            assert!(host(bad).check_hosts().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_keeps_a_wrong_answer_or_hides_it_is_refused() {
        let refused = |resolving: Resolving| assert!(resolving.check_hosts().is_err(), "{resolving:?}");
        refused(Resolving { caches: vec!["nscd".to_owned()], ..host("files dns") });
        refused(Resolving { is_elsewhere: true, ..host("files dns") });
        refused(Resolving { missing: vec!["umount".to_owned()], ..host("files dns") });
        refused(Resolving { in_file: vec!["db".to_owned()], ..host("files dns") });
        for file in ["", "hosts", "/etc/ho sts", "/etc/hosts\n", "/etc/$(id)"] {
            refused(Resolving { file: file.to_owned(), ..host("files dns") });
        }
    }

    #[test]
    fn programs_ask_resolved_only_where_it_comes_before_dns() {
        assert!(host("files resolve [!UNAVAIL=return] dns").asks_resolved());
        assert!(host("resolve files").asks_resolved());
        assert!(!host("files dns resolve").asks_resolved());
        assert!(!host("files dns").asks_resolved());
    }
}
