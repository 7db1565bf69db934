//! What faults act on, and how to reach it.

use std::future::Future;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::ResourceFilter;
use crate::error::FaultError;
use crate::members::{Members, MembersRequest};
use crate::misfit::Misfit;

/// A connected system: a database, a cluster, a host.
pub trait Target: Send + Sync + 'static {
    /// Returns who this is, as found by asking it.
    fn identity(&self) -> &TargetIdentity;

    /// Returns whether this very connection still reaches the very system that it was made to; bounded to seconds. An undo in the
    /// process of the run then uses it; otherwise, and after the first failure, it connects afresh, as a recovery does. Where
    /// that costs little the answer is always no.
    fn is_still_there(&self) -> impl Future<Output = bool> + Send {
        std::future::ready(false)
    }

    /// Reads what is there.
    fn discover(&self, filter: &DiscoverFilter)
    -> impl Future<Output = Result<Inventory, FaultError>> + Send;
}

/// Who a target is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetIdentity {
    /// What it is, for people: `PostgreSQL 15.18`.
    pub product: String,
    /// How people name it, without secrets: `postgres://chaos@127.0.0.1:55432/shop`.
    pub label: String,
    /// What stays the same for this very system and differs for every other one: system identifier and database oid,
    /// device and inode. A journaled step is only ever reverted on a target with the same fingerprint.
    pub fingerprint: String,
    /// The names that policy compares with protected and production names.
    pub names: Vec<TargetName>,
}

impl TargetIdentity {
    /// Returns what stands for the whole system that this one is a part of: a container says the fingerprint of its host before
    /// the last `/` of its own.
    pub fn whole(&self) -> &str {
        let is_container = self.names.iter().any(|name| name.kind == NameKind::Container);
        match self.fingerprint.rsplit_once('/') {
            Some((host, _)) if is_container => host,
            Some(_) | None => &self.fingerprint,
        }
    }
}

/// One name of something, and what it names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TargetName {
    /// What it names.
    pub kind: NameKind,
    /// The name itself.
    pub name: String,
}

impl TargetName {
    /// Names something.
    pub fn new(kind: NameKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

/// What a name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameKind {
    /// A host name or address.
    Host,
    /// A database, or the file of one.
    Database,
    /// A schema.
    Schema,
    /// A table, as `schema.table`.
    Table,
    /// A server setting.
    Setting,
    /// A service of a host, as its service manager calls it: `nginx.service`.
    Service,
    /// A file or directory.
    Path,
    /// A process, by the name of its program.
    Process,
    /// A container.
    Container,
    /// An address or a network: `10.1.2.3`, `10.0.0.0/8`.
    Network,
}

impl std::fmt::Display for NameKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Table => "table",
            Self::Setting => "setting",
            Self::Service => "service",
            Self::Path => "path",
            Self::Process => "process",
            Self::Container => "container",
            Self::Network => "network",
        })
    }
}

/// What to look at in a discovery.
#[derive(Debug, Clone, Default)]
pub struct DiscoverFilter {
    /// Only tables of these names (`table` or `schema.table`); empty: all.
    pub tables: Vec<String>,
    /// Only resources that these expressions allow.
    pub resources: ResourceFilter,
}

/// What a discovery found: tables for people, data for programs.
#[derive(Debug, Clone, Serialize)]
pub struct Inventory {
    /// Tables for people, in reading order.
    pub tables: Vec<InventoryTable>,
    /// The same and more, for programs.
    pub data: Value,
}

/// One table of a discovery, for people.
#[derive(Debug, Clone, Serialize)]
pub struct InventoryTable {
    /// What the table shows.
    pub title: String,
    /// The column heads.
    pub columns: Vec<&'static str>,
    /// The cells, as many a row as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// How to reach a kind of target.
pub trait Connector: Send + Sync + 'static {
    /// What it connects to.
    type Target: Target;
    /// What a person may write below `target_config:`. Unknown keys must be refused.
    type Config: DeserializeOwned + JsonSchema + Send;

    /// The name of the kind, as in `target:` of an experiment: `database`.
    const KIND: &'static str;

    /// Says what is wrong with `config` where no connection is needed to see it, and its types cannot say it. Its texts may
    /// hold references that are not resolved yet. What is said must hold no secret.
    ///
    /// # Errors
    /// When it can never work.
    fn check(&self, _config: &Self::Config) -> Result<(), Misfit> {
        Ok(())
    }

    /// Finds the systems that one configuration stands for, without connecting to them. Most stand for one. What it reads
    /// (an inventory) must not change its meaning by where the process runs.
    ///
    /// A member's configuration is one for [`connect`](Self::connect), [`redact`](Self::redact), [`recall`](Self::recall)
    /// and [`with_environment`](Self::with_environment).
    fn members(&self, request: MembersRequest) -> impl Future<Output = Result<Members, FaultError>> + Send {
        std::future::ready(Ok(Members::single(request)))
    }

    /// Connects and asks the target who it is. Bounded: a refused port fails at once, a silent one in seconds.
    fn connect(&self, config: Self::Config) -> impl Future<Output = Result<Self::Target, FaultError>> + Send;

    /// Returns `config` without any literal secret. References to secrets (`${VAR}`, `file:`) stay, so that a recovery can
    /// resolve them again. `config` is as written, before references are resolved.
    fn redact(&self, config: &Value) -> Value;

    /// Corrects `config`, read again for a recovery, by what the journal knows of the target: a relative path means what it
    /// meant to the run.
    fn recall(&self, config: Value, _known: &TargetIdentity) -> Value {
        config
    }

    /// Takes passwords and the like from the environment into `config` (already resolved), so that another process with
    /// an empty environment can connect with the result.
    fn with_environment(&self, config: Value) -> Value {
        config
    }
}
