//! One set of rules on a host: which firewall takes them, how they come and how they go.

use std::time::Duration;

use chaos_core::{Access, Claim, FaultError, PrepareContext};
use chaos_host::{Limits, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::iptables::{self, Family};
use super::nft;
use super::place::{Place, Surroundings};
use super::rules::{Cut, Exempt, Rule, rules};
use crate::target::ServerTarget;

/// Each firewall waits five seconds for its lock.
const CHECK_MAX: Duration = Duration::from_secs(45);

/// Which firewall is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// The first that takes the rules: nftables, then iptables.
    #[default]
    Auto,
    /// nftables, through `nft`.
    Nft,
    /// iptables and ip6tables.
    Iptables,
}

/// The firewall that was found to take the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// nftables: a table of ours.
    Nft,
    /// iptables: chains of ours.
    Iptables,
}

/// One set of rules on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// The network they are for.
    #[serde(default)]
    pub place: Place,
    /// The firewall that takes them.
    pub backend: Backend,
    /// What does not come through.
    pub cut: Cut,
    /// What comes through all the same.
    pub exempt: Exempt,
    /// Whether the network speaks IPv6.
    pub has_ipv6: bool,
    /// What was there of the tables and chains that iptables makes of nftables when it is first used: `ip:table`, `ip:INPUT`.
    #[serde(default)]
    pub kept: Vec<String>,
}

impl Firewall {
    /// Chooses the firewall by letting each check the very rules.
    ///
    /// # Errors
    /// [`FaultError::Preflight`] when none takes them.
    pub async fn choose(
        cx: &PrepareContext,
        target: &ServerTarget,
        seen: &Surroundings,
        wanted: Wanted,
        cut: Cut,
        exempt: Exempt,
    ) -> Result<Self, FaultError> {
        let mut firewall = Self {
            place: seen.place.clone(),
            backend: Backend::Nft,
            cut,
            exempt,
            has_ipv6: seen.has_ipv6,
            kept: seen.filter_parts.clone(),
        };
        let id = cx.handle();
        let script = firewall
            .place
            .script(include_str!("check.sh"))
            .set("wanted", wanted.word())
            .set("rules", nft::text(&id, &firewall.rules()))
            .set("rules_v4", firewall.iptables(&id, Family::V4))
            .set("rules_v6", firewall.iptables(&id, Family::V6));
        let what = format!("find a firewall on `{}` that takes the rules", target.facts().hostname);
        let output = super::ask(target, &what, &script, Limits::time(CHECK_MAX)).await?;
        if output.told("backend").next() == Some("iptables") {
            firewall.backend = Backend::Iptables;
        }
        Ok(firewall)
    }

    /// Returns the script that loads the rules.
    pub fn inject(&self, id: &str) -> Script {
        let rules = self.rules();
        match self.backend {
            Backend::Nft => self
                .place
                .script(include_str!("nft_inject.sh"))
                .set("table", id)
                .set("rules", nft::text(id, &rules))
                .set("count", rules.len().to_string()),
            Backend::Iptables => self
                .place
                .script(include_str!("iptables_inject.sh"))
                .set("key", key(id))
                .set("id", id)
                .set("rules_v4", self.iptables(id, Family::V4))
                .set("rules_v6", self.iptables(id, Family::V6)),
        }
    }

    /// Returns the script that takes them out.
    pub fn undo(&self, id: &str) -> Script {
        match self.backend {
            Backend::Nft => self.place.script(include_str!("nft_undo.sh")).set("table", id),
            Backend::Iptables => self
                .place
                .script(include_str!("iptables_undo.sh"))
                .set("key", key(id))
                .set("id", id)
                .set("tools", if self.has_ipv6 { "iptables ip6tables" } else { "iptables" })
                .set("kept", self.kept.join(" ")),
        }
    }

    /// Returns the script that counts what they kept from coming through.
    pub fn measure(&self, id: &str) -> Script {
        match self.backend {
            Backend::Nft => self.place.script(include_str!("nft_measure.sh")).set("table", id),
            Backend::Iptables => self.place.script(include_str!("iptables_measure.sh")).set("key", key(id)),
        }
    }

    /// Says how the rules go, for people.
    pub fn undo_line(&self) -> String {
        let what = match self.backend {
            Backend::Nft => "deletes the table of nftables that it makes",
            Backend::Iptables => "deletes the chains of iptables that it makes",
        };
        self.place.of(what)
    }

    /// Claims the firewall for changes side by side: two sets of rules do not stand in each other's way.
    pub fn claims(&self) -> Vec<Claim> {
        self.place.claims("firewall", Access::Write)
    }

    fn rules(&self) -> Vec<Rule> {
        rules(&self.cut, &self.exempt)
    }

    fn iptables(&self, id: &str, family: Family) -> String {
        let is_spoken = family == Family::V4 || self.has_ipv6;
        if !is_spoken || !self.cut.asked_names.is_empty() {
            return String::new();
        }
        iptables::text(&key(id), id, &self.rules(), family)
    }
}

impl Wanted {
    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Nft => "nft",
            Self::Iptables => "iptables",
        }
    }
}

/// Returns a short name for chains of iptables, which may have 28 characters.
fn key(id: &str) -> String {
    format!("chaos-{:016x}", super::hash(id))
}

#[cfg(test)]
mod tests;
