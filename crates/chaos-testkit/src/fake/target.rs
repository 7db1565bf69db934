//! A connection to a world in memory.

use chaos_core::{
    Connector, DiscoverFilter, Failure, FaultError, Inventory, InventoryTable, Member, Members,
    MembersRequest, NameKind, Target, TargetIdentity, TargetName,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::FakeWorld;

/// A connection to a [`FakeWorld`].
#[derive(Debug, Clone)]
pub struct FakeTarget {
    /// The world behind it.
    pub world: FakeWorld,
    identity: TargetIdentity,
}

impl FakeTarget {
    /// Connects.
    pub fn new(world: FakeWorld) -> Self {
        let identity = TargetIdentity {
            product: "Fake 1".to_owned(),
            label: format!("fake://{}", world.name()),
            fingerprint: format!("fake/{}", world.name()),
            names: vec![TargetName::new(NameKind::Database, world.name())],
        };
        Self { world, identity }
    }
}

impl Target for FakeTarget {
    fn identity(&self) -> &TargetIdentity {
        &self.identity
    }

    async fn is_still_there(&self) -> bool {
        self.world.state().keeps_connections
    }

    async fn discover(&self, filter: &DiscoverFilter) -> Result<Inventory, FaultError> {
        let names = self.world.names().await;
        let cells: Vec<String> = names.into_iter().filter(|name| filter.resources.allows(name)).collect();
        let rows = cells.iter().map(|name| vec![name.clone()]).collect();
        let table = InventoryTable { title: "Cells".to_owned(), columns: vec!["name"], rows };
        Ok(Inventory { tables: vec![table], data: json!({ "cells": cells }) })
    }
}

/// Connects to worlds by name: `target: fake`.
#[derive(Debug, Default)]
pub struct FakeConnector {
    worlds: Vec<FakeWorld>,
}

/// How to reach a world.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FakeConfig {
    /// Its name.
    #[serde(default)]
    pub world: String,
    /// The names of several worlds that this stands for instead.
    #[serde(default)]
    pub worlds: Vec<String>,
    /// How many of them may be worked on at once. Default: all.
    #[serde(default)]
    pub at_once: Option<usize>,
    /// Whether those that do not answer are left out.
    #[serde(default)]
    pub allow_unreachable: bool,
    /// Whether some of them may be the same.
    #[serde(default)]
    pub allow_same: bool,
    /// Anything at all; a secret.
    #[serde(default)]
    pub password: Option<String>,
}

impl FakeConnector {
    /// Knows the way to `worlds`.
    pub fn new(worlds: Vec<FakeWorld>) -> Self {
        Self { worlds }
    }
}

/// The configuration of several worlds for one of them.
fn of_one(config: &Value, name: &str) -> Value {
    let mut config = config.clone();
    if let Some(config) = config.as_object_mut() {
        config.shift_remove("worlds");
        config.insert("world".to_owned(), name.into());
    }
    config
}

impl Connector for FakeConnector {
    type Target = FakeTarget;
    type Config = FakeConfig;

    const KIND: &'static str = "fake";

    async fn members(&self, request: MembersRequest) -> Result<Members, FaultError> {
        let config: FakeConfig = serde_json::from_value(request.config.clone())
            .map_err(|error| FaultError::Params(Failure::new("read the worlds").source(error)))?;
        if config.worlds.is_empty() {
            return Ok(Members::single(request));
        }
        let wanted = |name: &&String| request.only.as_ref().is_none_or(|only| only == *name);
        let member = |(place, name): (usize, &String)| Member {
            // Where the same world stands twice, its members have two names.
            name: if config.allow_same { format!("{name} {place}") } else { name.clone() },
            config: of_one(&request.config, name),
            as_written: of_one(&request.as_written, name),
        };
        Ok(Members {
            at_once: config.at_once,
            allow_unreachable: config.allow_unreachable,
            allow_same: config.allow_same,
            notes: vec![format!("{} worlds", config.worlds.len())],
            ..Members::new(config.worlds.iter().filter(wanted).enumerate().map(member).collect())
        })
    }

    async fn connect(&self, config: FakeConfig) -> Result<FakeTarget, FaultError> {
        let found = self.worlds.iter().find(|world| world.name == config.world);
        let world = found.ok_or_else(|| {
            FaultError::Unreachable(Failure::new(format!("find the world `{}`", config.world)))
        })?;
        world.fuse.alive().await;
        world.delayed().await;
        let mut state = world.state();
        if state.refusals > 0 {
            state.refusals -= 1;
            return Err(FaultError::Unreachable(Failure::new(format!("connect to `{}`", config.world))));
        }
        if state.locked_out {
            return Err(FaultError::Target(Failure::new(format!("log in to `{}`", config.world))));
        }
        Ok(FakeTarget::new(world.clone()))
    }

    fn redact(&self, config: &Value) -> Value {
        let mut config = config.clone();
        if let Some(config) = config.as_object_mut() {
            config.shift_remove("password");
        }
        config
    }
}
