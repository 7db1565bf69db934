//! Runs a load of reading queries on PostgreSQL, on several connections at once.
//!
//! Every query is one message: a read-only transaction with its own time limit that holds a shared lock of ours. So it
//! ends by itself on the server, and can be found there.

mod load;
mod worker;

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
use crate::postgres::holders::end_holders;
use crate::postgres::preflight::{Problem, refuse_if_any};
use crate::postgres::{Fence, PgSession, PgTarget};
use crate::schema::Table;

/// How many tables are read when none is named.
const TABLES_DEFAULT: usize = 10;
/// How many connections are left to the application and to our own undo.
const CONNECTIONS_SPARE: i64 = 3;

const PREFLIGHT_SQL: &str = include_str!("postgres/preflight.sql");

/// `db.select_load` on PostgreSQL.
#[derive(Debug, Clone, Copy, Default)]
pub struct SelectLoadPostgres;

/// One load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectLoadStep {
    /// The tables, as schema and name.
    pub tables: Vec<(String, String)>,
    /// The queries that the load draws from.
    pub queries: Vec<Query>,
    /// How many of them are run.
    pub query_count: u64,
    /// On how many connections.
    pub connections: u32,
    /// The most queries a second; absent: as fast as the server answers.
    pub rate: Option<f64>,
    /// How long one query may run.
    #[serde(rename = "statement_timeout_ms", with = "millis")]
    pub statement_timeout: Duration,
    /// The seed of the draw.
    pub seed: u64,
    /// The lock of ours by which running queries are found.
    pub fence: Fence,
}

impl fmt::Display for SelectLoadStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} queries on {} connections", self.query_count, self.connections)?;
        if let Some(rate) = self.rate {
            write!(f, ", at most {rate} a second")?;
        }
        f.write_str(", over ")?;
        for (place, (schema, table)) in self.tables.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}`{schema}.{table}`")?;
        }
        let kinds =
            QueryKind::ALL.into_iter().filter(|kind| self.queries.iter().any(|query| query.kind == *kind));
        let kinds: Vec<&str> = kinds.map(QueryKind::as_str).collect();
        write!(f, " ({})", kinds.join(", "))
    }
}

/// The tables to read: those named, or the first few that may be touched.
async fn choose_tables(
    cx: &PrepareContext,
    target: &PgTarget,
    session: &PgSession,
    params: &Params,
) -> Result<Vec<Table>, FaultError> {
    let mut tables = target.tables(session, &params.tables, &cx.filter).await?;
    if params.tables.is_empty() {
        tables.truncate(TABLES_DEFAULT);
    }
    if tables.is_empty() {
        let hint =
            "see `schemas` of `target_config` and `resource_filters`, and `chaos discover` for what is there";
        return Err(FaultError::Preflight(Failure::new("find a table that may be read").hint(hint)));
    }
    Ok(tables)
}

/// Checks rights, row security and free connections.
async fn check(session: &PgSession, tables: &[Table], connections: u32) -> Result<(), FaultError> {
    let schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let needed = i64::from(connections) + CONNECTIONS_SPARE;
    let rows = session.query("check what may be read", PREFLIGHT_SQL, &[&schemas, &names, &needed]).await?;
    let problems = rows.iter().map(|row| Problem { what: row.get(0), hint: row.get(1) }).collect();
    refuse_if_any("prepare a load of queries", problems)
}

impl Fault for SelectLoadPostgres {
    type Target = PgTarget;
    type Params = Params;
    type Step = SelectLoadStep;
    type Session = LoadSession;

    const SPEC: FaultSpec = SelectLoad::SPEC;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &PgTarget,
        params: Params,
    ) -> Result<Vec<SelectLoadStep>, FaultError> {
        let session = target.session().await?;
        let tables = choose_tables(cx, target, &session, &params).await?;
        check(&session, &tables, params.connections).await?;
        session.close().await;
        Ok(vec![SelectLoadStep {
            queries: draw(&tables, cx.seed),
            tables: tables.into_iter().map(|table| (table.schema, table.name)).collect(),
            query_count: u64::from(params.query_count.get()),
            connections: params.connections,
            rate: params.rate,
            statement_timeout: params.statement_timeout,
            seed: cx.seed,
            fence: Fence::choose(&cx.handle(), cx.seed),
        }])
    }

    fn facts(&self, step: &SelectLoadStep) -> StepFacts {
        let named = |(schema, table): &(String, String)| format!("{schema}.{table}");
        let claim = |table| Claim { resource: format!("table {}", named(table)), access: Access::Read };
        let schemas =
            step.tables.iter().map(|(schema, _)| TargetName::new(NameKind::Schema, schema.as_str()));
        let tables = step.tables.iter().map(|table| TargetName::new(NameKind::Table, named(table)));
        let mut names: Vec<TargetName> = schemas.collect();
        names.dedup();
        names.extend(tables);
        let limit = step.statement_timeout.as_secs_f64();
        StepFacts {
            undo: format!(
                "nothing is changed; queries that still run are ended, by the server after {limit} s"
            ),
            rope: Rope::ServerLimit,
            claims: step.tables.iter().map(claim).collect(),
            quantity: Quantity {
                tables: step.tables.len() as u64,
                connections: u64::from(step.connections),
                ..Quantity::default()
            },
            names,
        }
    }

    async fn arm(
        &self,
        _cx: &StepContext,
        target: &PgTarget,
        _step: &SelectLoadStep,
    ) -> Result<LoadSession, FaultError> {
        Ok(LoadSession::armed(target.session().await?))
    }

    async fn inject(
        &self,
        cx: &StepContext,
        target: &PgTarget,
        step: &SelectLoadStep,
        session: &mut LoadSession,
    ) -> Result<Effect, FaultError> {
        crash_point("pg.select_load.before_start");
        session.start(cx, target, step).await?;
        crash_point("pg.select_load.started");
        Ok(Effect::default().with("connections", step.connections).with("queries_asked", step.query_count))
    }

    async fn finish(&self, _cx: &StepContext, session: LoadSession) -> Result<Option<Effect>, FaultError> {
        Ok(session.stop().await)
    }

    async fn revert(
        &self,
        _cx: &StepContext,
        target: &PgTarget,
        step: &SelectLoadStep,
    ) -> Result<Reverted, FaultError> {
        crash_point("pg.select_load.before_end");
        let session = target.session().await?;
        let ended = end_holders(&session, &step.fence).await?;
        session.close().await;
        crash_point("pg.select_load.ended");
        let outcome = if ended > 0 { RevertOutcome::Restored } else { RevertOutcome::NothingToDo };
        let effect =
            if ended > 0 { Effect::default().with("queries_ended", ended) } else { Effect::default() };
        Ok(Reverted { effect, ..Reverted::new(outcome) })
    }
}
