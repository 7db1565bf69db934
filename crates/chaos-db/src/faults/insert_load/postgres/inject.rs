//! Inserts the rows of a step: marker and COPY in one transaction, checked before it is committed.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use chaos_core::crash::crash_point;
use chaos_core::{Effect, Failure, FaultError, ResourceFilter, StepContext};
use futures::SinkExt;

use super::key::Key;
use super::rows::{Chunk, Rows, needs};
use super::{Step, parents};
use crate::generate::Obstacle;
use crate::postgres::error::classify;
use crate::postgres::{PgSession, PgTarget, sql};

/// How long the server may take to roll back before the session is simply ended.
const ROLLBACK_MAX: Duration = Duration::from_secs(5);

/// Inserts and commits. After an error the transaction is rolled back, here or by the end of the session.
pub(super) async fn inject(
    cx: &StepContext,
    target: &PgTarget,
    step: &Step,
    session: &mut PgSession,
) -> Result<Effect, FaultError> {
    let inserted = Injection { cx, step, session }.run(target).await;
    if let Err(error) = &inserted {
        // The transaction must not outlive us. Whatever fails here, the end of the session does the same, and the undo
        // waits for that end; so the first error is the one to tell.
        if matches!(error, FaultError::Cancelled) {
            let _ = session.cancel().await;
        }
        let _ = tokio::time::timeout(ROLLBACK_MAX, session.rollback()).await;
    }
    inserted
}

struct Injection<'a> {
    cx: &'a StepContext,
    step: &'a Step,
    session: &'a PgSession,
}

impl Injection<'_> {
    async fn run(&self, target: &PgTarget) -> Result<Effect, FaultError> {
        let (step, session) = (self.step, self.session);
        let rows = self.plan(target).await?;
        let before = self.changed_rows().await?;
        let xid = step.helper.create(session).await?;
        crash_point("pg.insert.helper_made");
        self.refuse_old_rows(xid).await?;

        let started = std::time::Instant::now();
        let count = self.copy(rows).await?;
        crash_point("pg.insert.copied");
        let seconds = started.elapsed().as_secs_f64();
        if count != step.rows {
            let what = format!("insert {} rows into `{}`: {count} arrived", step.rows, step.qualified());
            return Err(FaultError::Target(
                Failure::new(what).hint("a trigger or rule took the others away"),
            ));
        }
        let constraints =
            session.batch(self.what("keep the constraints of"), "SET CONSTRAINTS ALL IMMEDIATE");
        self.unless_cancelled(constraints).await?;
        self.check_nothing_else_changed(&before).await?;
        step.helper.set_rows(session, count).await?;
        if self.cx.cancel.is_cancelled() {
            return Err(FaultError::Cancelled);
        }
        crash_point("pg.insert.before_commit");
        session.commit().await?;
        crash_point("pg.insert.committed");
        let speed = if seconds > 0.0 { (count as f64 / seconds).round() } else { 0.0 };
        Ok(Effect::default().with("rows", count).with("rows_per_second", speed))
    }

    fn what(&self, verb: &str) -> String {
        format!("{verb} `{}`", self.step.qualified())
    }

    /// Looks at the table as it is now, and decides how the rows are made.
    async fn plan(&self, target: &PgTarget) -> Result<Rows, FaultError> {
        let (step, session) = (self.step, self.session);
        let there = "SELECT n.nspname::text, c.relname::text FROM pg_class c \
                     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1";
        let found = session.query(self.what("find"), there, &[&step.table_oid]).await?;
        let same = found
            .first()
            .is_some_and(|row| row.get::<_, &str>(0) == step.schema && row.get::<_, &str>(1) == step.table);
        if !same {
            let failure =
                Failure::new(self.what("find")).hint("it was dropped or renamed since the plan was made");
            return Err(FaultError::Target(failure));
        }
        let selection = [step.qualified()];
        let table = target.tables(session, &selection, &ResourceFilter::default()).await?.remove(0);
        let refused = |obstacles: Vec<Obstacle>| {
            let causes: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
            let failure = Failure::new(self.what("make rows for")).source(causes.join("; "));
            FaultError::Target(failure.hint("the table changed since the plan was made"))
        };
        let needs = needs(&table, &step.key).map_err(refused)?;
        let parents = parents::look_up(session, &table, &needs, step.rows, step.seed).await?;
        Rows::plan(&table, step, &parents).map_err(refused)
    }

    /// Rows keep the number of their transaction for ever, and the numbers are given out again after four billion. Where
    /// nothing else tells our rows apart, there must be no such row.
    async fn refuse_old_rows(&self, xid: i64) -> Result<(), FaultError> {
        let has_own_key = match self.step.key {
            Key::Numbers { .. } | Key::Uuids { .. } | Key::Tag { .. } => true,
            Key::Transaction => false,
        };
        if has_own_key || xid >> 32 == 0 {
            return Ok(());
        }
        let low = xid.cast_unsigned() & u64::from(u32::MAX);
        let statement = format!(
            "SELECT EXISTS (SELECT FROM {} WHERE xmin = '{low}'::xid)",
            sql::qualified(&self.step.schema, &self.step.table)
        );
        let rows = self.session.simple(self.what("look for old rows in"), &statement).await?;
        if rows.first().and_then(|row| row.get(0)) == Some("f") {
            return Ok(());
        }
        let failure = Failure::new(self.what("tell our rows from old ones in"));
        Err(FaultError::Target(failure.hint("the table has no key; try again, or choose another one")))
    }

    async fn copy(&self, rows: Rows) -> Result<u64, FaultError> {
        let columns = sql::idents(rows.columns());
        let statement =
            format!("COPY {} ({columns}) FROM STDIN", sql::qualified(&self.step.schema, &self.step.table));
        let failed = |error| classify(self.what("insert rows into"), error);
        let sink = self.session.client.copy_in(&statement).await.map_err(failed)?;
        let mut sink = pin!(sink);
        crash_point("pg.insert.copy_started");
        let (mut chunks, thread) = rows.start();
        while let Some(Chunk { bytes, rows_done }) = self.unless_cancelled(next(&mut chunks)).await? {
            let sent = self.unless_cancelled(async { Ok(sink.send(bytes).await.is_ok()) }).await?;
            if !sent {
                // The connection is gone; the end of the COPY says so.
                break;
            }
            crash_point("pg.insert.copy_chunk");
            self.cx.progress.report("rows", rows_done, self.step.rows);
        }
        drop(chunks);
        // Foreign keys are checked here, row by row, which may take longer than the rows took to arrive.
        let count = self.unless_cancelled(async { sink.as_mut().finish().await.map_err(failed) }).await?;
        thread
            .await
            .map_err(|source| FaultError::Target(Failure::new(self.what("make rows for")).source(source)))?;
        Ok(count)
    }

    async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, FaultError>>,
    ) -> Result<T, FaultError> {
        tokio::select! {
            biased;
            () = self.cx.cancel.cancelled() => Err(FaultError::Cancelled),
            done = work => done,
        }
    }

    async fn changed_rows(&self) -> Result<HashMap<u32, (i64, String)>, FaultError> {
        let rows = self.session.query("count changed rows", include_str!("baseline.sql"), &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect())
    }

    /// A trigger or rule of somebody else that wrote elsewhere could not be undone: then nothing is committed.
    async fn check_nothing_else_changed(
        &self,
        before: &HashMap<u32, (i64, String)>,
    ) -> Result<(), FaultError> {
        let after = self.changed_rows().await?;
        let planned = "SELECT relid::oid FROM pg_partition_tree($1::oid::regclass)";
        let planned = self.session.query("list partitions", planned, &[&self.step.table_oid]).await?;
        let planned: Vec<u32> = planned.iter().map(|row| row.get(0)).collect();
        let helper = format!("{}.", self.step.helper.schema);
        let is_planned = |oid: &u32, name: &str| {
            *oid == self.step.table_oid || planned.contains(oid) || name.starts_with(&helper)
        };
        let touched = after.iter().find(|(oid, (count, name))| {
            !is_planned(oid, name) && before.get(oid).is_none_or(|(earlier, _)| earlier != count)
        });
        match touched {
            None => Ok(()),
            Some((_, (_, name))) => {
                let failure = Failure::new(format!("insert into `{}` alone", self.step.qualified()));
                let cause = format!("rows of `{name}` changed too");
                Err(FaultError::Target(failure.source(cause).hint("a trigger or rule writes there")))
            }
        }
    }
}

async fn next(chunks: &mut tokio::sync::mpsc::Receiver<Chunk>) -> Result<Option<Chunk>, FaultError> {
    Ok(chunks.recv().await)
}
