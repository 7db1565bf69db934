//! What a person writes below `target_config:` of a server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to reach hosts, and what may be touched there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// The hosts.
    #[serde(default)]
    pub hosts: Vec<serde_json::Value>,
    /// What may be looked at and touched.
    #[serde(default)]
    pub discovery: Discovery,
}

/// What may be looked at and touched on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Discovery {
    /// Whether faults may choose among what they find. When `false`, each fault must be told what to act on. Default: `true`.
    pub enabled: bool,
    /// Services that are never chosen or touched, by unit name with or without `.service`; `*` stands for anything:
    /// `["docker", "containerd", "db-*"]`.
    pub exclude_services: Vec<String>,
}

impl Default for Discovery {
    fn default() -> Self {
        Self { enabled: true, exclude_services: Vec::new() }
    }
}
