//! Which of the listed hosts are used.

use chaos_core::FaultError;
use globset::Glob;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index::sample;

use super::members::{Candidate, invalid};
use crate::config::{HostsAffected, Select, ServerConfig};

/// Returns the hosts that are meant, or as many of them as shall be used.
pub(super) fn choose(
    config: &ServerConfig,
    candidates: Vec<Candidate>,
    seed: u64,
    notes: &mut Vec<String>,
) -> Result<Vec<Candidate>, FaultError> {
    if candidates.is_empty() {
        return Err(invalid("no host is listed"));
    }
    let listed = candidates.len();
    let meant = meant(&config.select, candidates)?;
    if meant.is_empty() {
        return Err(invalid(format!(
            "`select` leaves none of the {listed} hosts: none has {}",
            labels(&config.select)
        )));
    }
    let count = config.hosts_affected.of(meant.len());
    if count > meant.len() {
        return Err(invalid(format!(
            "`hosts_affected` is {count}, and there are only {} hosts",
            meant.len()
        )));
    }
    if config.hosts_affected == HostsAffected::All {
        return Ok(meant);
    }
    notes.push(format!("{count} of {} hosts, chosen with seed {seed}", meant.len()));
    let mut places = sample(&mut StdRng::seed_from_u64(seed), meant.len(), count).into_vec();
    places.sort_unstable();
    let chosen = meant.into_iter().enumerate().filter(|(place, _)| places.binary_search(place).is_ok());
    Ok(chosen.map(|(_, candidate)| candidate).collect())
}

fn meant(select: &Select, candidates: Vec<Candidate>) -> Result<Vec<Candidate>, FaultError> {
    let mut wanted = Vec::new();
    for name in &select.names {
        let pattern =
            Glob::new(name).map_err(|error| invalid(format!("`{name}` is no pattern: {}", error.kind())))?;
        let matcher = pattern.compile_matcher();
        let is_it = |candidate: &Candidate| {
            matcher.is_match(&candidate.title) || matcher.is_match(&candidate.host.host)
        };
        if !candidates.iter().any(is_it) {
            return Err(invalid(format!("`select`: no host is called `{name}`")));
        }
        wanted.push(matcher);
    }
    let has_name = |candidate: &Candidate| {
        let matches = |name: &str| wanted.iter().any(|matcher| matcher.is_match(name));
        wanted.is_empty() || matches(&candidate.title) || matches(&candidate.host.host)
    };
    let has_labels = |candidate: &Candidate| {
        select.labels.iter().all(|(key, value)| candidate.host.labels.get(key) == Some(value))
    };
    Ok(candidates.into_iter().filter(|candidate| has_name(candidate) && has_labels(candidate)).collect())
}

fn labels(select: &Select) -> String {
    let labels: Vec<_> = select.labels.iter().map(|(key, value)| format!("`{key}: {value}`")).collect();
    let labels = labels.join(" and ");
    if select.names.is_empty() { labels } else { format!("{labels} and one of the names") }
}
