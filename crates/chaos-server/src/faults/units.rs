//! What all faults on units of systemd share: which of them may be touched, and how those that ran are started again.

use std::collections::BTreeSet;

use chaos_core::context::ResourceFilter;
use chaos_core::{Failure, FaultError};
use serde::{Deserialize, Serialize};

use crate::discovery::services::{Unit, Units};
use crate::left_alone::{LeftAlone, Why};
use crate::target::ServerTarget;

const NOT_MATCHED: &str = "is not matched by any of `resource_filters`";

/// A unit that was active, and shall be active again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// Its real name.
    pub unit: String,
    /// What active meant for it: `running`, `listening`.
    pub sub_state: String,
    /// Whether it was to start at boot: `enabled`, `disabled`, `static`.
    pub file_state: String,
}

impl Back {
    fn of(unit: &Unit) -> Self {
        Self {
            unit: unit.id.clone(),
            sub_state: unit.sub_state.clone(),
            file_state: unit.unit_file_state.clone(),
        }
    }

    /// Returns these units as words for `bring_all_back`: name, state and file state of each. No name of a unit holds a blank.
    pub(super) fn words(list: &[Self]) -> String {
        let words = list.iter().map(|back| {
            let file_state = if back.file_state.is_empty() { "-" } else { &back.file_state };
            format!("{} {} {file_state}", back.unit, back.sub_state)
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Says which units of a host may be touched.
pub(super) struct Guard<'a> {
    units: &'a Units,
    left_alone: LeftAlone<'a>,
    filter: &'a ResourceFilter,
}

impl<'a> Guard<'a> {
    /// Takes what the configuration and the experiment say.
    pub(super) fn new(
        target: &'a ServerTarget,
        units: &'a Units,
        filter: &'a ResourceFilter,
    ) -> Result<Self, FaultError> {
        Ok(Self { units, left_alone: LeftAlone::new(target)?, filter })
    }

    /// Returns why a unit must be left alone, in words that complete "`nginx.service` …".
    pub(super) fn refusal(&self, unit: &Unit) -> Option<String> {
        let why = self.exclusion(unit);
        let is_filtered = || !unit.all_names().any(|name| self.filter.allows(name));
        why.or_else(|| is_filtered().then(|| NOT_MATCHED.to_owned()))
    }

    /// As [`Guard::refusal`], for a process of the unit that has a name of its own.
    pub(super) fn refusal_of_part(&self, unit: &Unit, name: &str) -> Option<String> {
        if self.filter.allows(name) { self.exclusion(unit) } else { self.refusal(unit) }
    }

    /// Returns whether `resource_filters` allow this name.
    pub(super) fn allows(&self, name: &str) -> bool {
        self.filter.allows(name)
    }

    fn exclusion(&self, unit: &Unit) -> Option<String> {
        Some(match self.left_alone.why(unit)? {
            Why::Never(reason) => format!("is never touched: {reason}"),
            Why::Excluded(pattern) => format!("is excluded by `{pattern}` of `exclude_services`"),
        })
    }

    /// Returns why a unit that runs cannot be stopped and started again as it was.
    pub(super) fn no_way_back(&self, unit: &Unit) -> Option<String> {
        if !unit.is_stoppable || !unit.is_startable {
            return Some("does not let itself be stopped and started by hand".to_owned());
        }
        if unit.is_transient {
            return Some(
                "is transient: once stopped it is gone, and nothing could start it again".to_owned(),
            );
        }
        if unit.needs_reload {
            return Some(
                "was changed on disk since it was loaded: it would start again as another one".to_owned(),
            );
        }
        if !unit.drastic.is_empty() {
            return Some(format!("has {}, which would act on the whole machine", unit.drastic));
        }
        if unit.id.contains('@') && unit.triggered_by.iter().any(|name| name.ends_with(".socket")) {
            return Some("serves one connection, and nothing could start it again".to_owned());
        }
        let comes_back = match unit.kind() {
            "service" => unit.is_running_service(),
            "socket" | "timer" | "path" => unit.active_state == "active",
            _ => false,
        };
        let how = format!("is {} ({}), which a start does not bring back", unit.active_state, unit.sub_state);
        (!comes_back).then_some(how)
    }

    /// Returns how these units are brought back, in the order in which they are started.
    pub(super) fn back(&self, ids: &BTreeSet<String>) -> Vec<Back> {
        let ordered = self.units.in_start_order(ids);
        // A socket must be there before its service; a path that finds its service down would start it by itself.
        let place = |id: &String| match id.rsplit_once('.').map(|(_, kind)| kind) {
            Some("socket") => 0,
            Some("path" | "timer") => 2,
            _ => 1,
        };
        let mut ordered: Vec<_> = ordered.iter().collect();
        ordered.sort_by_key(|id| place(id));
        ordered.into_iter().filter_map(|id| self.units.get(id)).map(Back::of).collect()
    }
}

#[cfg(test)]
impl<'a> Guard<'a> {
    /// A guard that lets everything through but what is never touched.
    pub(super) fn for_tests(units: &'a Units) -> Self {
        Self { units, left_alone: LeftAlone::default(), filter: Box::leak(Box::default()) }
    }
}

/// Refuses a target on which units cannot be acted on.
pub(super) fn require_host(target: &ServerTarget) -> Result<(), FaultError> {
    if let Some(container) = target.container() {
        let what = format!("act on units of systemd in the container `{}`", container.name);
        let hint = "this fault acts on hosts; for containers there are faults of their own";
        return Err(FaultError::Preflight(Failure::new(what).hint(hint)));
    }
    target.require_systemd()
}

/// Refuses one unit.
pub(super) fn refused(verb: &str, unit: &str, why: &str) -> FaultError {
    FaultError::Preflight(Failure::new(format!("{verb} `{unit}`: it {why}")))
}
