//! The hosts that one configuration stands for.

use std::collections::HashMap;
use std::path::Path;

use chaos_core::document::path_text;
use chaos_core::{Failure, FaultError, Member, Members, MembersRequest};
use serde_json::{Map, Value};

use super::inventory::{self, Found};
use super::select;
use crate::config::{HostConfig, ServerConfig, check, check_host, settle};

/// How many hosts are worked on at once where nothing is said. Each costs a connection and some hundred KiB.
const AT_ONCE: u16 = 20;
/// More hosts than these in one configuration are a mistake in it.
const HOSTS_MAX: usize = 10_000;
/// The keys of a configuration that hold for each of its members too.
const COMMON: [&str; 2] = ["discovery", "deadline_margin"];

/// One host, before anything is chosen.
pub(super) struct Candidate {
    /// What it is called.
    pub(super) title: String,
    /// Where it is listed, for people.
    pub(super) place: String,
    /// Its configuration, with the defaults.
    pub(super) host: HostConfig,
    config: Map<String, Value>,
    as_written: Map<String, Value>,
}

/// Finds the hosts of a configuration.
pub(super) async fn members(request: MembersRequest) -> Result<Members, FaultError> {
    let config: ServerConfig = typed(&request.config)?;
    check(&config).map_err(|misfit| invalid(format!("`{}`: {}", path_text(&misfit.path), misfit.why)))?;
    let mut candidates = listed(&request)?;
    if let Some(only) = &request.only
        // What stands in the file itself is found without the lists, which may be gone.
        && let Some(place) = candidates.iter().position(|candidate| candidate.title == *only)
    {
        return Ok(finish(&config, &request, vec![candidates.swap_remove(place)], Vec::new()));
    }
    let mut notes = Vec::new();
    for source in &config.inventory {
        let list = inventory::read(source, &config.defaults, request.directory.as_deref())?;
        notes.extend(list.notes);
        for found in list.found {
            candidates.push(from_list(&request, found)?);
        }
    }
    if let Some(only) = &request.only {
        // What became of the others since is no reason to leave this one as it is.
        candidates.retain(|candidate| candidate.title == *only);
    }
    refuse_unusable(&candidates)?;
    if request.only.is_none() {
        candidates = select::choose(&config, candidates, request.seed, &mut notes)?;
    }
    Ok(finish(&config, &request, candidates, notes))
}

fn finish(
    config: &ServerConfig,
    request: &MembersRequest,
    chosen: Vec<Candidate>,
    notes: Vec<String>,
) -> Members {
    let member = |candidate: Candidate| Member {
        config: of_one(&request.config, candidate.config),
        as_written: of_one(&request.as_written, candidate.as_written),
        name: candidate.title,
    };
    Members {
        list: chosen.into_iter().map(member).collect(),
        at_once: Some(config.max_parallel_hosts.map_or(AT_ONCE, std::num::NonZeroU16::get).into()),
        allow_unreachable: config.allow_unreachable,
        allow_same: config.allow_same_machine,
        notes,
    }
}

/// Makes the configuration of one host from that of all.
fn of_one(all: &Value, host: Map<String, Value>) -> Value {
    let mut one = Map::new();
    one.insert("hosts".to_owned(), Value::Array(vec![Value::Object(host)]));
    for key in COMMON {
        if let Some(value) = all.get(key) {
            one.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(one)
}

/// Returns the hosts that stand in the configuration itself.
fn listed(request: &MembersRequest) -> Result<Vec<Candidate>, FaultError> {
    let hosts = |config: &Value| config.get("hosts").and_then(Value::as_array).cloned().unwrap_or_default();
    let as_written = hosts(&request.as_written);
    let pairs = hosts(&request.config).into_iter().enumerate();
    let candidates = pairs.map(|(index, host)| {
        let written = as_written.get(index).cloned().unwrap_or_else(|| host.clone());
        candidate(request, object(host), object(written), format!("`hosts`, entry {}", index + 1))
    });
    candidates.collect()
}

fn from_list(request: &MembersRequest, found: Found) -> Result<Candidate, FaultError> {
    // What stands in a list is no reference, whatever it looks like.
    let written = found.host.iter().map(|(key, value)| (key.clone(), escaped(value))).collect();
    candidate(request, found.host, written, found.place)
}

fn candidate(
    request: &MembersRequest,
    host: Map<String, Value>,
    written: Map<String, Value>,
    place: String,
) -> Result<Candidate, FaultError> {
    let directory = request.directory.as_deref();
    let config = over_defaults(&request.config, host, directory);
    let as_written = over_defaults(&request.as_written, written, directory);
    let host: HostConfig = typed(&Value::Object(config.clone()))
        .map_err(|error| invalid(format!("{place}: {}", error.chain())))?;
    Ok(Candidate { title: host.title(), place, host, config, as_written })
}

/// Returns a host with what it does not say itself taken from the defaults, and its paths made absolute.
fn over_defaults(all: &Value, host: Map<String, Value>, directory: Option<&Path>) -> Map<String, Value> {
    let mut merged = object(all.get("defaults").cloned().unwrap_or_default());
    for (key, value) in host {
        match (merged.get_mut(&key), value) {
            (_, Value::Null) => {}
            (Some(Value::Object(labels)), Value::Object(more)) if key == "labels" => labels.extend(more),
            (_, value) => drop(merged.insert(key, value)),
        }
    }
    settle(&mut merged, directory);
    merged
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(entries) => entries,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

fn escaped(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${", "$${")),
        Value::Array(items) => Value::Array(items.iter().map(escaped).collect()),
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), escaped(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn refuse_unusable(candidates: &[Candidate]) -> Result<(), FaultError> {
    if candidates.len() > HOSTS_MAX {
        return Err(invalid(format!("{} hosts are listed, and {HOSTS_MAX} are the most", candidates.len())));
    }
    let (mut keys, mut titles) = (HashMap::new(), HashMap::new());
    for candidate in candidates {
        let Candidate { title, place, host, .. } = candidate;
        check_host(host).map_err(|why| invalid(format!("{place}: host `{title}`: {why}")))?;
        if let Some(first) = keys.insert(host.key(), place).or_else(|| titles.insert(title, place)) {
            return Err(invalid(format!("`{title}` is listed twice: in {first} and in {place}")));
        }
    }
    Ok(())
}

fn typed<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, FaultError> {
    T::deserialize(value).map_err(|error| invalid(error.to_string()))
}

/// Makes the error of a configuration or list that cannot be used.
pub(super) fn invalid(why: impl Into<String>) -> FaultError {
    FaultError::Params(Failure::new("find the hosts").source(why.into()))
}
