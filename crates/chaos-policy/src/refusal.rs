//! Why a plan may not run.

use std::fmt;

use serde::Serialize;

/// The rules that a plan can break. Their names are the keys of the policy file, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// How long faults may be held.
    MaxDuration,
    /// How many rows may be touched.
    MaxRows,
    /// How many tables may be touched.
    MaxTables,
    /// How many connections may be held open at once.
    MaxConnections,
    /// How many hosts may be touched.
    MaxHosts,
    /// How many pods may be touched.
    MaxPods,
    /// Names that nobody may touch.
    Protected,
    /// Names that look like production.
    Production,
    /// Every step needs something on the target that ends it without us.
    RequireRope,
    /// Two steps of one experiment must not wait for each other.
    Blocking,
    /// Two steps of one experiment must not change the same setting.
    Duplicate,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MaxDuration => "max_duration",
            Self::MaxRows => "max_rows",
            Self::MaxTables => "max_tables",
            Self::MaxConnections => "max_connections",
            Self::MaxHosts => "max_hosts",
            Self::MaxPods => "max_pods",
            Self::Protected => "protected",
            Self::Production => "production",
            Self::RequireRope => "require_rope",
            Self::Blocking => "blocking",
            Self::Duplicate => "duplicate",
        })
    }
}

/// One reason why a plan may not run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The rule that the plan breaks.
    pub rule: Rule,
    /// What the plan has.
    pub value: String,
    /// What the rule allows.
    pub limit: String,
    /// The whole reason in one line.
    pub message: String,
    /// What to change, and where.
    pub where_to_change: String,
}
