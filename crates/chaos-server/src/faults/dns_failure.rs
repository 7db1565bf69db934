//! Lets a host's questions to the name service fail: no answer, a refusal, or a wrong one.

mod hosts;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chaos_core::fault::Access;
use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Claim, Failure, FaultError, FaultSpec, Misfit, PrepareContext, Reversibility, Risk};
use chaos_host::{Limits, Script};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::firewall::{Firewall, Wanted};
use super::network::place::{self, Surroundings};
use super::network::rules::{Cut, DNS_PORTS, Exempt, PortSide, Verdict};
use super::network::{self, Direction, Protocol, peers};
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;
pub use hosts::Hosts;
use hosts::Resolving;

/// The most names that may be chosen.
const NAMES_MAX: usize = 20;
/// The most wrong answers.
const ANSWERS_MAX: usize = 8;

/// Lets names not be resolved: `server.dns_failure`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DnsFailure;

/// How questions fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Answers vanish, so whoever asks waits until it gives up.
    #[default]
    Timeout,
    /// The name server refuses the question at once: port unreachable.
    Refuse,
    /// Chosen names get a wrong answer.
    WrongAnswer,
}

/// What a person writes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// `timeout` (answers vanish), `refuse` (questions are refused at once) or `wrong_answer` (chosen names get a wrong
    /// address, for all programs that ask the system's resolver; not for those that ask a name server themselves). Default: `timeout`.
    pub mode: Mode,
    /// The names that fail, in full: `["db.example.com"]`. Default: all, which `wrong_answer` cannot do. With names, `timeout` and
    /// `refuse` need nftables and act on questions over UDP, which is how nearly every resolver asks; without names they act
    /// on TCP and on DNS over TLS too. DNS over HTTPS is never touched.
    pub names: Vec<String>,
    /// For `wrong_answer`: the addresses that the names get, at most 8. A family that is left out keeps its true answers for those
    /// who ask for that family only. Default: `["192.0.2.1", "2001:db8::1"]`, where nobody lives.
    pub answer: Vec<IpAddr>,
    /// For `timeout` and `refuse`: which firewall is told: `nft`, `iptables`, or `auto` for the first that takes the rules.
    /// Default: `auto`.
    pub backend: Wanted,
}

/// How it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Questions or answers do not come through.
    Firewall(Firewall),
    /// Wrong answers stand in the hosts file.
    Hosts(Hosts),
}

/// One failure of the name service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// How questions fail.
    pub mode: Mode,
    /// The names; none means all.
    pub names: Vec<String>,
    /// The name servers that the host asks.
    pub resolvers: Vec<IpAddr>,
    /// How it is done.
    pub way: Way,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whom = if self.names.is_empty() { "every name".to_owned() } else { network::list(&self.names) };
        let line = match self.mode {
            Mode::Timeout => format!("let no answer come for {whom}"),
            Mode::Refuse => format!("refuse to resolve {whom}"),
            Mode::WrongAnswer => format!("answer wrongly for {whom}"),
        };
        match &self.way {
            Way::Firewall(firewall) => write!(f, "{}", firewall.place.of(&line)),
            Way::Hosts(hosts) => write!(f, "{line}: {}", network::list(&hosts.answers)),
        }
    }
}

impl HostFault for DnsFailure {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.dns_failure",
        target: "server",
        summary: "Lets names not be resolved: no answer, a refusal, or a wrong one",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const OUTLIVES_REBOOT: bool = false;
    const CLAIMS_ON_HOST: bool = true;

    fn check(&self, given: &Params) -> Result<(), Misfit> {
        check_names(given)?;
        let is_wrong = given.mode == Mode::WrongAnswer;
        if given.answer.len() > ANSWERS_MAX {
            let why = format!("`answer` has {} entries, but {ANSWERS_MAX} are the most", given.answer.len());
            return Err(Misfit::new(why).at("answer"));
        }
        if !is_wrong && !given.answer.is_empty() {
            let why = "`answer` needs `mode: wrong_answer`: otherwise no answer is given";
            return Err(Misfit::new(why).at("answer"));
        }
        if is_wrong && given.backend != Wanted::Auto {
            let why = "`backend` must be left out for wrong answers: no firewall has a part in them";
            return Err(Misfit::new(why).at("backend"));
        }
        Ok(())
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        given: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let names = names(&given);
        let seen = place::look(cx, target, &[]).await?;
        let way = if given.mode == Mode::WrongAnswer {
            Way::Hosts(wrong(target, &seen, &names, given.answer).await?)
        } else {
            if !names.is_empty() {
                refuse_resolved(&Resolving::look(target, &[]).await?)?;
            }
            let exempt = Exempt { way: seen.way.clone(), ..Exempt::default() };
            let cut = cut(given.mode, &names);
            Way::Firewall(Firewall::choose(cx, target, &seen, given.backend, cut, exempt).await?)
        };
        Ok(vec![Step { mode: given.mode, names, resolvers: seen.resolvers, way }])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        // Containers of one host have one each.
        let resource = match &step.way {
            Way::Firewall(firewall) => firewall.place.of("name service"),
            Way::Hosts(_) => "name service".to_owned(),
        };
        let mut claims = vec![Claim { resource, access: Access::BlockAll }];
        let resolvers: Vec<_> = step.resolvers.iter().map(|address| IpNet::from(*address)).collect();
        let mut names = network::names(&resolvers);
        names.extend(step.names.iter().map(|name| TargetName::new(NameKind::Host, name.clone())));
        let undo = match &step.way {
            Way::Firewall(firewall) => {
                claims.extend(firewall.claims());
                firewall.undo_line()
            }
            Way::Hosts(hosts) => {
                claims.push(Claim { resource: format!("path {}", hosts.file), access: Access::BlockWrites });
                names.push(TargetName::new(NameKind::Path, hosts.file.clone()));
                format!("takes its copy off {}", hosts.file)
            }
        };
        HostFacts { undo, claims, names, mounts: Vec::new() }
    }

    fn undo(&self, step: &Step, id: &str) -> Script {
        match &step.way {
            Way::Firewall(firewall) => firewall.undo(id),
            Way::Hosts(hosts) => hosts.undo(id),
        }
    }

    fn inject(&self, step: &Step, id: &str) -> Script {
        match &step.way {
            Way::Firewall(firewall) => firewall.inject(id),
            Way::Hosts(hosts) => hosts.inject(id),
        }
    }

    fn inject_limits(&self, _step: &Step) -> Limits {
        Limits::time(hosts::ASK_MAX)
    }

    fn measure(&self, step: &Step, id: &str) -> Option<Script> {
        Some(match &step.way {
            Way::Firewall(firewall) => firewall.measure(id),
            Way::Hosts(hosts) => hosts.measure(id),
        })
    }
}

fn check_names(given: &Params) -> Result<(), Misfit> {
    if given.names.len() > NAMES_MAX {
        let why = format!("`names` has {} entries, but {NAMES_MAX} are the most", given.names.len());
        return Err(Misfit::new(why).at("names"));
    }
    if let Some(place) = given.names.iter().position(|name| !peers::is_name(name)) {
        return Err(Misfit::new("`names` must hold host names").at("names").item(place));
    }
    if given.mode == Mode::WrongAnswer && given.names.is_empty() {
        let hint = "name them in `names`, or use `mode: timeout` or `refuse`";
        return Err(Misfit::new("`mode` must not be `wrong_answer` for every name").at("mode").hint(hint));
    }
    Ok(())
}

/// Returns the names as they are compared, each once.
fn names(given: &Params) -> Vec<String> {
    let mut names: Vec<_> =
        given.names.iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

async fn wrong(
    target: &ServerTarget,
    seen: &Surroundings,
    names: &[String],
    answers: Vec<IpAddr>,
) -> Result<Hosts, FaultError> {
    if seen.place.netns.is_some() {
        let what = "give wrong answers in a container";
        return Err(FaultError::Preflight(Failure::new(what).hint("use `mode: timeout` or `refuse` there")));
    }
    let resolving = Resolving::look(target, names).await?;
    resolving.check_hosts()?;
    let nowhere = [
        IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)),
        IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    ];
    let answers = if answers.is_empty() { nowhere.to_vec() } else { answers };
    Ok(resolving.hosts(names.to_vec(), answers))
}

/// Refuses where questions for chosen names do not go by UDP to a name server, where a firewall sees them.
fn refuse_resolved(resolving: &Resolving) -> Result<(), FaultError> {
    if !resolving.asks_resolved() {
        return Ok(());
    }
    let what = "let chosen names fail: programs there ask systemd-resolved, which asks again in other ways";
    let hint = "leave out `names`, or use `mode: wrong_answer`";
    Err(FaultError::Preflight(Failure::new(what).hint(hint)))
}

fn cut(mode: Mode, names: &[String]) -> Cut {
    // A question that is dropped on its way out fails at once with an error; only a missing answer makes anybody wait.
    let (direction, verdict) = match mode {
        Mode::Timeout | Mode::WrongAnswer => (Direction::In, Verdict::Drop),
        Mode::Refuse => (Direction::Out, Verdict::Reject),
    };
    let (ports, protocol) = if names.is_empty() {
        (DNS_PORTS.to_vec(), Protocol::Any)
    } else {
        (vec![DNS_PORTS[0]], Protocol::Udp)
    };
    Cut {
        direction,
        nets: Vec::new(),
        ports,
        side: PortSide::Remote,
        protocol,
        verdict,
        forwarded: false,
        asked_names: names.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_an_older_journal_still_load() {
        let firewall = r#"{"mode":"timeout","names":["a.test"],"resolvers":["10.0.0.53"],"way":{"firewall":{"backend":"nft",
            "cut":{"direction":"in","nets":[],"ports":[53],"side":"remote","protocol":"udp","verdict":"drop","forwarded":false,
            "asked_names":["a.test"]},"exempt":{"way":null,"itself":false,"essentials":false,"resolvers":[],
            "every_resolver":false},"has_ipv6":false}}}"#;
        let step: Step = serde_json::from_str(firewall).unwrap();
        assert_eq!(step.to_string(), "let no answer come for a.test");
        let hosts = r#"{"mode":"wrong_answer","names":["a.test"],"resolvers":[],
            "way":{"hosts":{"file":"/etc/hosts","names":["a.test"],"answers":["192.0.2.1"]}}}"#;
        let step: Step = serde_json::from_str(hosts).unwrap();
        assert_eq!(step.to_string(), "answer wrongly for a.test: 192.0.2.1");
        assert!(matches!(step.way, Way::Hosts(Hosts { file, .. }) if file == "/etc/hosts"));
    }
}
