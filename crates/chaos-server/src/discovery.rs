//! What is there on a host.

mod facts;
pub mod mounts;
pub mod services;
pub mod survey;
mod tables;

use std::collections::BTreeMap;

use chaos_core::target::{DiscoverFilter, Inventory};
use chaos_core::{FaultError, ResourceFilter};
use serde_json::json;

pub use facts::{TOOLS, facts};
use mounts::Mount;
use services::{Unit, Units};
use survey::Survey;

use crate::left_alone::{LeftAlone, Why};
use crate::target::ServerTarget;

/// What was found on a host, after the filter.
struct Found {
    survey: Survey,
    mounts: Vec<Mount>,
    /// Nothing where systemd does not manage it.
    units: Option<Units>,
    /// Why units are never touched.
    left_alone: BTreeMap<String, String>,
    /// What of which part could not be read, and why.
    gaps: Vec<(String, String)>,
    filter: ResourceFilter,
}

/// Reads what is there, for people and programs. The questions are asked at once, so this takes about one round trip.
///
/// # Errors
/// When the host cannot be asked. What cannot be read there is left out, and the result says so.
pub async fn discover(target: &ServerTarget, filter: &DiscoverFilter) -> Result<Inventory, FaultError> {
    let host = target.host();
    let units = async {
        match target.facts().has_systemd {
            true => Some(services::units(host, &[]).await),
            false => None,
        }
    };
    let (survey, mounts, units) = tokio::join!(survey::survey(host), mounts::mounts(host), units);
    let mut found = Found {
        survey: survey?,
        mounts: Vec::new(),
        units: None,
        left_alone: BTreeMap::new(),
        gaps: Vec::new(),
        filter: filter.resources.clone(),
    };
    found.gaps.append(&mut found.survey.gaps);
    found.mounts = part("file systems", mounts, &mut found.gaps)?.unwrap_or_default();
    match units {
        Some(units) => found.units = part("services", units, &mut found.gaps)?,
        None => found.gaps.push(("services".to_owned(), "systemd does not manage this host".to_owned())),
    }
    found.left_alone = left_alone(target, found.units.as_ref())?;
    keep_allowed(&mut found);
    Ok(Inventory { tables: tables::tables(target.facts(), &found), data: data(target, &found) })
}

/// Returns what was read of a part; a part that the host cannot tell is a gap, and a host that does not answer is an error.
fn part<T>(
    name: &str,
    read: Result<T, FaultError>,
    gaps: &mut Vec<(String, String)>,
) -> Result<Option<T>, FaultError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error @ FaultError::Unreachable(_)) => Err(error),
        Err(error) => {
            gaps.push((name.to_owned(), error.chain()));
            Ok(None)
        }
    }
}

/// Returns why services are never touched, by their names.
fn left_alone(target: &ServerTarget, units: Option<&Units>) -> Result<BTreeMap<String, String>, FaultError> {
    let left_alone = LeftAlone::new(target)?;
    let why = |unit: &Unit| {
        let why = match left_alone.why(unit)? {
            Why::Never(reason) => reason.to_owned(),
            Why::Excluded(_) => "`exclude_services` names it".to_owned(),
        };
        Some((unit.id.clone(), why))
    };
    let services = units.into_iter().flat_map(Units::iter).filter(|unit| unit.kind() == "service");
    Ok(services.filter_map(why).collect())
}

/// Leaves out what the experiment may not touch. Users, modules and the host itself are no resources.
fn keep_allowed(found: &mut Found) {
    let filter = &found.filter;
    if filter.is_empty() {
        return;
    }
    let units = found.units.as_ref();
    found.mounts.retain(|mount| filter.allows(&mount.point));
    found.survey.containers.retain(|container| filter.allows(&container.name));
    found.survey.ports.retain(|port| {
        port.processes.iter().any(|process| {
            let unit = units.and_then(|units| units.of_control_group(&process.cgroup));
            filter.allows(&process.name) || unit.is_some_and(|unit| filter.allows(&unit.id))
        })
    });
}

fn data(target: &ServerTarget, found: &Found) -> serde_json::Value {
    let is_service = |unit: &&Unit| unit.kind() == "service" && found.filter.allows(&unit.id);
    let services = found.units.as_ref().map(|units| units.iter().filter(is_service).collect::<Vec<_>>());
    json!({
        "host": target.facts(),
        "container": target.container(),
        "survey": found.survey,
        "services": services,
        "left_alone": found.left_alone,
        "mounts": found.mounts,
        "not_read": found.gaps,
    })
}
