//! One connection of a load: takes a query, sends it, counts what came back.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chaos_core::FaultError;
use futures::TryStreamExt;
use tokio::time::Instant;
use tokio_postgres::SimpleQueryMessage;

use super::load::Load;
use crate::postgres::PgSession;
use crate::postgres::error::classify;

/// How often a worker tries to open a broken connection again.
const RECONNECT_MAX: u32 = 100;
/// The pause between two tries.
const RECONNECT_PAUSE: Duration = Duration::from_millis(300);

/// One connection of a load.
pub(super) struct Worker {
    load: Arc<Load>,
    session: PgSession,
}

impl Worker {
    pub(super) fn new(load: Arc<Load>, session: PgSession) -> Self {
        Self { load, session }
    }

    /// Returns whether the connection is gone.
    pub(super) fn is_cut_off(&self) -> bool {
        self.session.is_closed()
    }

    /// Runs queries until there are none left or the load is stopped.
    pub(super) async fn run(mut self) {
        while self.next().await {
            if self.is_cut_off() && !self.reconnect().await {
                return;
            }
        }
    }

    /// Runs one query; `false` when there is none to run.
    pub(super) async fn next(&mut self) -> bool {
        let Some(number) = self.load.take() else { return false };
        if !self.load.due(number).await {
            return false;
        }
        let (kind, sql) = self.load.query(number);
        self.load.count(|measure| measure.started += 1);
        let began = Instant::now();
        match self.send(&sql).await {
            Ok(rows) => self.load.count(|measure| measure.done(kind, began.elapsed(), rows)),
            Err(error) => {
                let text = error.chain();
                self.load.count(|measure| measure.failed(kind, &text));
                // A rollback that fails says that the connection is gone, which is looked at next.
                let _ = self.session.rollback().await;
            }
        }
        true
    }

    /// Sends one query as one message and returns how many rows came back. They are dropped as they come.
    async fn send(&self, sql: &str) -> Result<u64, FaultError> {
        let step = &self.load.step;
        let message = format!(
            "BEGIN READ ONLY; SET LOCAL statement_timeout = {}; SELECT pg_advisory_xact_lock_shared({}, {}); {sql}; COMMIT",
            step.statement_timeout.as_millis(),
            step.fence.keys.0,
            step.fence.keys.1,
        );
        let failed = |error| classify("run a query", error);
        let mut answers = pin!(self.session.client.simple_query_raw(&message).await.map_err(failed)?);
        let mut rows: u64 = 0;
        while let Some(answer) = answers.try_next().await.map_err(failed)? {
            rows += u64::from(matches!(answer, SimpleQueryMessage::Row(_)));
        }
        // One row is the answer of the lock.
        Ok(rows.saturating_sub(1))
    }

    /// Opens the broken connection again; `false` when the load is stopped first, or the server does not come back.
    async fn reconnect(&mut self) -> bool {
        for _ in 0..RECONNECT_MAX {
            tokio::select! {
                () = self.load.stop.cancelled() => return false,
                () = tokio::time::sleep(RECONNECT_PAUSE) => {}
            }
            match self.load.target.session().await {
                Ok(session) => {
                    self.session = session;
                    self.load.count(|measure| measure.reconnects += 1);
                    return true;
                }
                Err(error) => tracing::debug!(error = %error.chain(), "A load could not connect again yet."),
            }
        }
        false
    }
}
