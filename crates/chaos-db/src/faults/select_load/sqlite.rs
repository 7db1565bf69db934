//! Runs a load of reading queries on SQLite, on several connections at once, each in a thread of its own.

mod load;

use std::fmt;
use std::time::Duration;

use chaos_core::crash::crash_point;
use chaos_core::plan::millis;
use chaos_core::{
    Access, Claim, Effect, Failure, Fault, FaultError, FaultSpec, NameKind, PrepareContext, Quantity,
    RevertOutcome, Reverted, Rope, StepContext, StepFacts, TargetName,
};
use serde::{Deserialize, Serialize};

pub use self::load::LoadSession;
use super::query::{Query, QueryKind, draw};
use super::{Params, SelectLoad};
use crate::faults::on_database::DatabaseFault;
use crate::sqlite::SqliteTarget;
use crate::sqlite::preflight::chosen;
use crate::sqlite::sql::idents;

/// How many tables are read when none is named.
const TABLES_DEFAULT: usize = 10;
/// How many keys are known to the lookups of one table.
const KEYS_MAX: u32 = 200;

/// `db.select_load` on SQLite.
#[derive(Debug, Clone, Copy, Default)]
pub struct SelectLoadSqlite;

/// One load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The file, as other steps name it too.
    pub file: String,
    /// The tables.
    pub tables: Vec<String>,
    /// The queries that the load draws from.
    pub queries: Vec<Query>,
    /// How many of them are run.
    pub query_count: u64,
    /// On how many connections.
    pub connections: u32,
    /// The most queries a second; absent: as fast as SQLite answers.
    pub rate: Option<f64>,
    /// How long one query may run.
    #[serde(rename = "statement_timeout_ms", with = "millis")]
    pub statement_timeout: Duration,
    /// The seed of the draw.
    pub seed: u64,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} queries on {} connections", self.query_count, self.connections)?;
        if let Some(rate) = self.rate {
            write!(f, ", at most {rate} a second")?;
        }
        let names: Vec<String> = self.tables.iter().map(|name| format!("`main.{name}`")).collect();
        let kinds =
            QueryKind::ALL.into_iter().filter(|kind| self.queries.iter().any(|query| query.kind == *kind));
        let kinds: Vec<&str> = kinds.map(QueryKind::as_str).collect();
        write!(f, ", over {} ({})", names.join(", "), kinds.join(", "))
    }
}

impl Fault for SelectLoadSqlite {
    type Target = SqliteTarget;
    type Params = Params;
    type Step = Step;
    type Session = LoadSession;

    const SPEC: FaultSpec = SelectLoad::SPEC;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &SqliteTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let (cx, file) = (cx.clone(), target.file());
        target
            .run_to_the_end(move |connection| {
                let mut tables = chosen(connection, &cx, &params.tables)?;
                if params.tables.is_empty() {
                    tables.truncate(TABLES_DEFAULT);
                }
                if tables.is_empty() {
                    let hint = "see `resource_filters`, and `chaos discover` for what is there";
                    return Err(FaultError::Preflight(
                        Failure::new("find a table that may be read").hint(hint),
                    ));
                }
                let models: Vec<_> = tables.into_iter().map(|of| of.table).collect();
                Ok(vec![Step {
                    file: file.resource(),
                    queries: draw(&models, cx.seed).into_iter().map(for_sqlite).collect(),
                    tables: models.into_iter().map(|table| table.name).collect(),
                    query_count: u64::from(params.query_count.get()),
                    connections: params.connections,
                    rate: params.rate,
                    statement_timeout: params.statement_timeout,
                    seed: cx.seed,
                }])
            })
            .await
    }

    fn facts(&self, step: &Step) -> StepFacts {
        let claim = |resource| Claim { resource, access: Access::Read };
        let names: Vec<String> = step.tables.iter().map(|name| format!("main.{name}")).collect();
        let mut claims = vec![claim(step.file.clone())];
        claims.extend(names.iter().map(|name| claim(format!("table {name}"))));
        StepFacts {
            undo: "nothing is changed; queries that still run are ended".to_owned(),
            rope: Rope::EndsByItself,
            claims,
            quantity: Quantity {
                tables: step.tables.len() as u64,
                connections: u64::from(step.connections),
                ..Quantity::default()
            },
            names: names.into_iter().map(|name| TargetName::new(NameKind::Table, name)).collect(),
        }
    }

    async fn arm(
        &self,
        cx: &StepContext,
        target: &SqliteTarget,
        step: &Step,
    ) -> Result<LoadSession, FaultError> {
        LoadSession::open(target.file(), step.clone(), cx.progress.clone()).await
    }

    async fn inject(
        &self,
        _cx: &StepContext,
        _target: &SqliteTarget,
        step: &Step,
        session: &mut LoadSession,
    ) -> Result<Effect, FaultError> {
        crash_point("sqlite.select_load.before_start");
        session.start()?;
        crash_point("sqlite.select_load.started");
        Ok(Effect::default().with("connections", step.connections).with("queries_asked", step.query_count))
    }

    async fn finish(&self, _cx: &StepContext, session: LoadSession) -> Result<Option<Effect>, FaultError> {
        session.stop().await.map(Some)
    }

    async fn revert(
        &self,
        _cx: &StepContext,
        _target: &SqliteTarget,
        _step: &Step,
    ) -> Result<Reverted, FaultError> {
        // The connections may only read (`query_only`), and they end with the session or with the process.
        Ok(Reverted::new(RevertOutcome::NothingToDo))
    }
}

/// The queries are the same on all kinds of database, but for how the keys of lookups are read.
fn for_sqlite(mut query: Query) -> Query {
    let of = query.sql.strip_prefix("SELECT * FROM ").and_then(|rest| rest.strip_suffix(" WHERE"));
    if let (Some(keys), Some(from)) = (&mut query.keys, of) {
        let names = idents("", keys.columns.iter().map(String::as_str));
        keys.sql = format!("SELECT {names} FROM {from} LIMIT {KEYS_MAX}");
    }
    query
}

#[cfg(test)]
mod tests {
    use super::super::query::Keys;
    use super::*;
    use crate::sqlite::sql::table;

    #[test]
    fn keys_of_lookups_are_read_as_they_are_stored() {
        let keys =
            Some(Keys { columns: vec!["id".to_owned()], sql: "SELECT \"id\"::text FROM x".to_owned() });
        let from = table("users");
        let query = Query { kind: QueryKind::Lookup, sql: format!("SELECT * FROM {from} WHERE"), keys };
        assert_eq!(for_sqlite(query).keys.unwrap().sql, format!("SELECT \"id\" FROM {from} LIMIT 200"));
    }
}
