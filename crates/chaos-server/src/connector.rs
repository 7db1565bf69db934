//! Connects to hosts.

use std::sync::Arc;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Connector, Failure, FaultError, TargetIdentity};
use chaos_host::transport::local::Local;
use chaos_host::{Become, Host};
use serde_json::Value;

use crate::config::ServerConfig;
use crate::discovery;
use crate::target::ServerTarget;

/// Connects to hosts: `target: server`.
#[derive(Debug, Default)]
pub struct ServerConnector;

impl Connector for ServerConnector {
    type Target = ServerTarget;
    type Config = ServerConfig;

    const KIND: &'static str = "server";

    async fn connect(&self, config: ServerConfig) -> Result<ServerTarget, FaultError> {
        let host = Host::new(Arc::new(Local), Become::Nobody);
        let facts = discovery::facts(&host).await?;
        if facts.machine_id.is_empty() {
            return Err(FaultError::Target(Failure::new("tell the host from others: it has no machine id")));
        }
        let identity = TargetIdentity {
            product: format!("{}, Linux {}", facts.os, facts.kernel),
            label: facts.hostname.clone(),
            fingerprint: facts.machine_id.clone(),
            names: vec![TargetName::new(NameKind::Host, facts.hostname.clone())],
        };
        Ok(ServerTarget::new(identity, host, facts, config.discovery, None))
    }

    fn redact(&self, config: &Value) -> Value {
        config.clone()
    }
}
