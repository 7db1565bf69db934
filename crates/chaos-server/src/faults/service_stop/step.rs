//! One stop of services, as it is written into the journal.

use std::fmt;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Access, Claim};
use chaos_host::Script;
use serde::{Deserialize, Serialize};

use crate::faults::units::Back;
use crate::host_fault::HostFacts;

/// Everything needed to stop services and to start again what ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The services that were chosen, by their real names.
    pub services: Vec<String>,
    /// Their aliases.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Sockets and paths that would start them again; they are stopped too.
    #[serde(default)]
    pub triggers: Vec<String>,
    /// What stops with them.
    #[serde(default)]
    pub dependants: Vec<String>,
    /// What will try to start them during the hold, or be started by their end, and how, for people.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// All of them that were active, in the order in which they are started again.
    pub back: Vec<Back>,
    /// Those of services and triggers that had a folder for drop-ins below `/run` before.
    #[serde(default)]
    pub folders: Vec<String>,
}

impl Step {
    /// Returns everything that is kept from starting.
    fn held(&self) -> Vec<&str> {
        self.services.iter().chain(&self.triggers).map(String::as_str).collect()
    }

    pub(super) fn services_in_words(&self) -> String {
        quoted(&self.services)
    }

    pub(super) fn script(&self, text: &'static str, id: &str) -> Script {
        Script::new(text)
            .set("id", id)
            .set("held", self.held().join(" "))
            .set("folders", self.folders.join(" "))
            .set("back", Back::words(&self.back))
    }

    pub(super) fn facts(&self) -> HostFacts {
        let touched = || self.services.iter().chain(&self.triggers).chain(&self.dependants);
        let claims =
            touched().map(|unit| Claim { resource: format!("unit {unit}"), access: Access::BlockAll });
        let names = touched().chain(&self.aliases);
        HostFacts {
            undo: self.undo_in_words(),
            claims: claims.collect(),
            names: names.map(|unit| TargetName::new(NameKind::Service, unit.clone())).collect(),
            mounts: Vec::new(),
        }
    }

    fn undo_in_words(&self) -> String {
        let units: Vec<String> = self.back.iter().map(|back| back.unit.clone()).collect();
        let at_boot =
            |state: &str| matches!(state, "enabled" | "static" | "generated" | "indirect" | "alias");
        let lost = self.back.iter().filter(|back| !at_boot(&back.file_state)).map(|back| back.unit.clone());
        let lost: Vec<String> = lost.collect();
        let mut text = format!("start {} again and wait until active", quoted(&units));
        if !lost.is_empty() {
            text.push_str(&format!(
                "; should the host reboot meanwhile, nothing starts {}, which the host does not start at boot",
                quoted(&lost)
            ));
        }
        text
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stop {} and keep it stopped", quoted(&self.services))?;
        if !self.triggers.is_empty() {
            write!(f, "; also stopped, because it would start it again: {}", quoted(&self.triggers))?;
        }
        if !self.dependants.is_empty() {
            let count = self.dependants.len();
            write!(f, "; {count} more stop with it: {}", quoted(&self.dependants))?;
        }
        self.remarks.iter().try_for_each(|remark| write!(f, "; {remark}"))
    }
}

fn quoted(units: &[String]) -> String {
    units.iter().map(|unit| format!("`{unit}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_first_version_still_loads() {
        let text = r#"{"services": ["a.service"], "back": [{"unit": "a.service", "sub_state": "running", "file_state": "disabled"}]}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(step.to_string(), "stop `a.service` and keep it stopped");
        assert!(step.facts().undo.contains("nothing starts `a.service`"));
    }
}
