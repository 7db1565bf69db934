//! One public fault for all kinds of database: picks the implementation by what the target turned out to be.

use std::fmt;
use std::marker::PhantomData;

use chaos_core::{
    Effect, Failure, Fault, FaultError, FaultSpec, Misfit, PrepareContext, Reverted, StepContext, StepFacts,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::postgres::PgTarget;
use crate::sqlite::SqliteTarget;
use crate::target::DbTarget;

/// A fault that exists for several kinds of database under one name and one set of parameters.
pub trait DatabaseFault: Send + Sync + 'static {
    /// The parameters, the same for all.
    type Params: DeserializeOwned + JsonSchema + Send;
    /// How it is done on PostgreSQL.
    type Postgres: Fault<Target = PgTarget, Params = Self::Params> + Default;
    /// How it is done on SQLite.
    type Sqlite: Fault<Target = SqliteTarget, Params = Self::Params> + Default;
    /// What is known about it before it is used.
    const SPEC: FaultSpec;

    /// See [`Fault::check`]; for what no kind of database takes.
    fn check(_params: &Self::Params) -> Result<(), Misfit> {
        Ok(())
    }
}

/// Refuses names that nothing in a database has.
pub(super) fn check_names(key: &str, names: &[String]) -> Result<(), Misfit> {
    let wrong = names.iter().position(|name| name.trim().is_empty() || name.contains('\0'));
    let why = format!("`{key}` must hold names, each with something in it and no zero byte");
    wrong.map_or(Ok(()), |place| Err(Misfit::new(why).at(key).item(place)))
}

/// Makes one fault of a [`DatabaseFault`].
#[derive(Default)]
pub struct OnDatabase<D: DatabaseFault> {
    postgres: D::Postgres,
    sqlite: D::Sqlite,
    fault: PhantomData<D>,
}

/// Something that exists once for each kind of database.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "db_type", rename_all = "snake_case")]
pub enum ByKind<P, S> {
    /// On PostgreSQL.
    Postgres(P),
    /// On SQLite.
    Sqlite(S),
}

impl<P: fmt::Display, S: fmt::Display> fmt::Display for ByKind<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(step) => step.fmt(f),
            Self::Sqlite(step) => step.fmt(f),
        }
    }
}

fn wrong_kind(target: &DbTarget) -> FaultError {
    let label = &chaos_core::Target::identity(target).label;
    let what = format!("use a step on `{label}` that was made for another kind of database");
    FaultError::WrongTarget(Failure::new(what))
}

impl<D: DatabaseFault> Fault for OnDatabase<D> {
    type Target = DbTarget;
    type Params = D::Params;
    type Step = ByKind<<D::Postgres as Fault>::Step, <D::Sqlite as Fault>::Step>;
    type Session = ByKind<<D::Postgres as Fault>::Session, <D::Sqlite as Fault>::Session>;

    const SPEC: FaultSpec = D::SPEC;

    fn check(&self, params: &D::Params) -> Result<(), Misfit> {
        D::check(params)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &DbTarget,
        params: D::Params,
    ) -> Result<Vec<Self::Step>, FaultError> {
        match target {
            DbTarget::Postgres(target) => {
                let steps = self.postgres.prepare(cx, target, params).await?;
                Ok(steps.into_iter().map(ByKind::Postgres).collect())
            }
            DbTarget::Sqlite(target) => {
                let steps = self.sqlite.prepare(cx, target, params).await?;
                Ok(steps.into_iter().map(ByKind::Sqlite).collect())
            }
        }
    }

    fn facts(&self, step: &Self::Step) -> StepFacts {
        match step {
            ByKind::Postgres(step) => self.postgres.facts(step),
            ByKind::Sqlite(step) => self.sqlite.facts(step),
        }
    }

    async fn arm(
        &self,
        cx: &StepContext,
        target: &DbTarget,
        step: &Self::Step,
    ) -> Result<Self::Session, FaultError> {
        match (target, step) {
            (DbTarget::Postgres(target), ByKind::Postgres(step)) => {
                self.postgres.arm(cx, target, step).await.map(ByKind::Postgres)
            }
            (DbTarget::Sqlite(target), ByKind::Sqlite(step)) => {
                self.sqlite.arm(cx, target, step).await.map(ByKind::Sqlite)
            }
            (target, _) => Err(wrong_kind(target)),
        }
    }

    async fn inject(
        &self,
        cx: &StepContext,
        target: &DbTarget,
        step: &Self::Step,
        session: &mut Self::Session,
    ) -> Result<Effect, FaultError> {
        match (target, step, session) {
            (DbTarget::Postgres(target), ByKind::Postgres(step), ByKind::Postgres(session)) => {
                self.postgres.inject(cx, target, step, session).await
            }
            (DbTarget::Sqlite(target), ByKind::Sqlite(step), ByKind::Sqlite(session)) => {
                self.sqlite.inject(cx, target, step, session).await
            }
            (target, _, _) => Err(wrong_kind(target)),
        }
    }

    async fn finish(&self, cx: &StepContext, session: Self::Session) -> Result<Option<Effect>, FaultError> {
        match session {
            ByKind::Postgres(session) => self.postgres.finish(cx, session).await,
            ByKind::Sqlite(session) => self.sqlite.finish(cx, session).await,
        }
    }

    async fn revert(
        &self,
        cx: &StepContext,
        target: &DbTarget,
        step: &Self::Step,
    ) -> Result<Reverted, FaultError> {
        match (target, step) {
            (DbTarget::Postgres(target), ByKind::Postgres(step)) => {
                self.postgres.revert(cx, target, step).await
            }
            (DbTarget::Sqlite(target), ByKind::Sqlite(step)) => self.sqlite.revert(cx, target, step).await,
            (target, _) => Err(wrong_kind(target)),
        }
    }

    async fn disarm(&self, cx: &StepContext, target: &DbTarget, step: &Self::Step) -> Result<(), FaultError> {
        match (target, step) {
            (DbTarget::Postgres(target), ByKind::Postgres(step)) => {
                self.postgres.disarm(cx, target, step).await
            }
            (DbTarget::Sqlite(target), ByKind::Sqlite(step)) => self.sqlite.disarm(cx, target, step).await,
            (target, _) => Err(wrong_kind(target)),
        }
    }
}
