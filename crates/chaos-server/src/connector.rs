//! Finds the hosts of a configuration, and connects to one of them.

mod connect;
mod container;
mod inventory;
mod members;
mod select;
#[cfg(test)]
mod tests;

use chaos_core::{Connector, FaultError, Members, MembersRequest, Misfit};
use serde_json::Value;

use crate::config::{self, ServerConfig};
use crate::target::ServerTarget;

/// Connects to hosts: `target: server`.
#[derive(Debug, Default)]
pub struct ServerConnector;

impl Connector for ServerConnector {
    type Target = ServerTarget;
    type Config = ServerConfig;

    const KIND: &'static str = "server";

    fn check(&self, config: &ServerConfig) -> Result<(), Misfit> {
        config::check(config)
    }

    async fn members(&self, request: MembersRequest) -> Result<Members, FaultError> {
        members::members(request).await
    }

    async fn connect(&self, config: ServerConfig) -> Result<ServerTarget, FaultError> {
        connect::connect(config).await
    }

    fn redact(&self, config: &Value) -> Value {
        config::redact(config)
    }

    fn with_environment(&self, config: Value) -> Value {
        connect::with_variables(config::with_environment(config))
    }
}
