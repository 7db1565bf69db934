//! A catalogue with the names of the real one, for the tests of this module.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::{PrepareContext, StepContext};
use crate::erased::{Catalog, erase, erase_connector};
use crate::error::FaultError;
use crate::fault::{
    Effect, Fault, FaultSpec, NoSession, Reversibility, RevertOutcome, Reverted, Risk, StepFacts,
};
use crate::misfit::Misfit;
use crate::target::{Connector, DiscoverFilter, Inventory, Target, TargetIdentity};

pub(super) fn catalog() -> Catalog {
    Catalog {
        faults: vec![
            erase(Fake::<InsertLoad>::default()),
            erase(Fake::<ConfigChange>::default()),
            erase(Fake::<FlushCache>::default()),
        ],
        connectors: vec![erase_connector(Database), erase_connector(Cache)],
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InsertLoad {
    /// Rows for each table.
    #[serde(default)]
    rows_per_table: u32,
    /// The tables.
    #[serde(default)]
    tables: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the shape matters here")]
pub(super) struct ConfigChange {
    /// The changes.
    changes: Vec<Change>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the shape matters here")]
struct Change {
    param: String,
    value: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FlushCache {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the shape matters here")]
struct DatabaseConfig {
    connection_url: String,
    db_type: DbType,
    #[serde(default)]
    schemas: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum DbType {
    Postgres,
    Sqlite,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CacheConfig {}

pub(super) struct Nowhere;

impl Target for Nowhere {
    fn identity(&self) -> &TargetIdentity {
        unreachable!("a file is checked without a target")
    }

    async fn discover(&self, _filter: &DiscoverFilter) -> Result<Inventory, FaultError> {
        Err(FaultError::Cancelled)
    }
}

struct Database;

impl Connector for Database {
    type Target = Nowhere;
    type Config = DatabaseConfig;
    const KIND: &'static str = "database";

    async fn connect(&self, _config: DatabaseConfig) -> Result<Nowhere, FaultError> {
        Ok(Nowhere)
    }

    fn redact(&self, config: &Value) -> Value {
        config.clone()
    }
}

struct Cache;

impl Connector for Cache {
    type Target = Nowhere;
    type Config = CacheConfig;
    const KIND: &'static str = "cache";

    async fn connect(&self, _config: CacheConfig) -> Result<Nowhere, FaultError> {
        Ok(Nowhere)
    }

    fn redact(&self, config: &Value) -> Value {
        config.clone()
    }
}

struct Fake<P>(std::marker::PhantomData<fn() -> P>);

impl<P> Default for Fake<P> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

trait Named {
    const NAME: &'static str;
    const TARGET: &'static str;

    fn check(&self) -> Result<(), Misfit> {
        Ok(())
    }
}

impl Named for InsertLoad {
    const NAME: &'static str = "db.insert_load";
    const TARGET: &'static str = "database";

    fn check(&self) -> Result<(), Misfit> {
        if let Some(place) = self.tables.iter().position(|table| table.contains(['$', '\n'])) {
            return Err(Misfit::new("`tables` must hold plain names").at("tables").item(place));
        }
        match self.rows_per_table {
            13 => Err(Misfit::new("`rows_per_table` must be lucky").at("rows_per_table").hint("add one")),
            14 if self.tables.is_empty() => Err(Misfit::new("nothing says whose rows")),
            _ => Ok(()),
        }
    }
}

impl Named for ConfigChange {
    const NAME: &'static str = "db.config_change";
    const TARGET: &'static str = "database";
}

impl Named for FlushCache {
    const NAME: &'static str = "cache.flush";
    const TARGET: &'static str = "cache";
}

#[derive(Serialize, Deserialize)]
struct NoStep;

impl std::fmt::Display for NoStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing")
    }
}

impl<P: Named + serde::de::DeserializeOwned + JsonSchema + Send + 'static> Fault for Fake<P> {
    type Target = Nowhere;
    type Params = P;
    type Step = NoStep;
    type Session = NoSession;

    const SPEC: FaultSpec = FaultSpec {
        name: P::NAME,
        target: P::TARGET,
        summary: "",
        risk: Risk::Low,
        reversibility: Reversibility::Harmless,
    };

    fn check(&self, params: &P) -> Result<(), Misfit> {
        params.check()
    }

    async fn prepare(&self, _: &PrepareContext, _: &Nowhere, _: P) -> Result<Vec<NoStep>, FaultError> {
        Ok(Vec::new())
    }

    fn facts(&self, _: &NoStep) -> StepFacts {
        unreachable!("a file is checked without steps")
    }

    async fn arm(&self, _: &StepContext, _: &Nowhere, _: &NoStep) -> Result<NoSession, FaultError> {
        Ok(NoSession)
    }

    async fn inject(
        &self,
        _: &StepContext,
        _: &Nowhere,
        _: &NoStep,
        _: &mut NoSession,
    ) -> Result<Effect, FaultError> {
        Ok(Effect::default())
    }

    async fn revert(&self, _: &StepContext, _: &Nowhere, _: &NoStep) -> Result<Reverted, FaultError> {
        Ok(Reverted::new(RevertOutcome::NothingToDo))
    }
}
