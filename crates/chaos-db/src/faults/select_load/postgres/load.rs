//! Starts the load, lets it run during the hold, and stops it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chaos_core::{Effect, Failure, FaultError, Progress, StepContext};
use futures::future::try_join_all;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::SelectLoadStep;
use super::worker::Worker;
use crate::faults::select_load::measure::Measure;
use crate::faults::select_load::query::{QueryKind, choose, mix};
use crate::postgres::{PgSession, PgTarget};

/// How long queries that run at the end of the hold may take to end by themselves.
const GRACE: Duration = Duration::from_secs(1);
/// How much longer than its time limit on the server the first query may take to be answered.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A load: armed, running, or over.
pub struct LoadSession(State);

enum State {
    /// The first connection is open, nothing runs.
    Armed(Box<PgSession>),
    /// The workers run. Dropping them closes their connections.
    Running { load: Arc<Load>, workers: JoinSet<()> },
    /// An inject failed half-way.
    Spent,
}

/// What the workers of one load share.
pub(super) struct Load {
    pub(super) target: PgTarget,
    pub(super) step: SelectLoadStep,
    pub(super) stop: CancellationToken,
    /// For each query of the step, the keys that a lookup may ask for.
    keys: Vec<Vec<Vec<String>>>,
    measure: Mutex<Measure>,
    next: AtomicU64,
    begun: Instant,
    progress: Progress,
}

impl LoadSession {
    /// A load whose first connection is open.
    pub(super) fn armed(session: PgSession) -> Self {
        Self(State::Armed(Box::new(session)))
    }

    /// Runs the first query, opens the other connections and lets the load run.
    pub(super) async fn start(
        &mut self,
        cx: &StepContext,
        target: &PgTarget,
        step: &SelectLoadStep,
    ) -> Result<(), FaultError> {
        let State::Armed(session) = std::mem::replace(&mut self.0, State::Spent) else {
            return Err(FaultError::Target(Failure::new("start a load a second time")));
        };
        let keys = read_keys(&session, step).await?;
        let load = Arc::new(Load {
            target: target.clone(),
            step: step.clone(),
            stop: CancellationToken::new(),
            keys,
            measure: Mutex::default(),
            next: AtomicU64::new(0),
            begun: Instant::now(),
            progress: cx.progress.clone(),
        });
        let mut first = Worker::new(Arc::clone(&load), *session);
        // However short the hold is, at least this query runs, and its connection is proven.
        let limit = step.statement_timeout + ANSWER_MAX;
        tokio::select! {
            () = cx.cancel.cancelled() => return Err(FaultError::Cancelled),
            answered = tokio::time::timeout(limit, first.next()) => {
                answered.map_err(|_| FaultError::Unreachable(Failure::new("run the first query of a load in time")))?;
            }
        }
        if first.is_cut_off() {
            return Err(FaultError::Unreachable(Failure::new("keep the connection of a load open")));
        }
        let others = try_join_all((1..step.connections).map(|_| target.session())).await?;
        let mut workers = JoinSet::new();
        workers.spawn(first.run());
        for session in others {
            workers.spawn(Worker::new(Arc::clone(&load), session).run());
        }
        self.0 = State::Running { load, workers };
        Ok(())
    }

    /// Ends the load and returns what it measured.
    pub(super) async fn stop(self) -> Option<Effect> {
        let State::Running { load, mut workers } = self.0 else { return None };
        load.stop.cancel();
        let all = async {
            while let Some(ended) = workers.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "A worker of a load failed; its queries are missing in the report.");
                }
            }
        };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            // The revert ends on the server what is cut off here.
            workers.shutdown().await;
        }
        let measure = load.measure();
        let elapsed = measure.last.map_or(Duration::ZERO, |last| last.duration_since(load.begun));
        Some(measure.effect(load.step.query_count, elapsed))
    }
}

impl Load {
    /// Returns the number of the next query, while there is one and nobody stopped the load.
    pub(super) fn take(&self) -> Option<u64> {
        if self.stop.is_cancelled() {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.step.query_count).then_some(number)
    }

    /// Waits until query `number` may be sent; `false` when the load is stopped first.
    pub(super) async fn due(&self, number: u64) -> bool {
        let Some(rate) = self.step.rate else { return true };
        let due = self.begun + Duration::from_secs_f64(number as f64 / rate);
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep_until(due) => true,
        }
    }

    /// Returns kind and text of query `number`. The same seed always makes the same queries.
    pub(super) fn query(&self, number: u64) -> (QueryKind, String) {
        let place = choose(&self.step.queries, self.step.seed, number);
        let (query, keys) = (&self.step.queries[place], &self.keys[place]);
        let key = match keys.len() {
            0 => None,
            count => keys.get((mix(self.step.seed ^ mix(number + 1)) % count as u64) as usize),
        };
        (query.kind, query.text(key.map(Vec::as_slice)))
    }

    /// Lets a worker count something, and says how far the load is.
    pub(super) fn count(&self, count: impl FnOnce(&mut Measure)) {
        let finished = {
            let mut measure = self.measure();
            count(&mut measure);
            measure.finished()
        };
        self.progress.report("queries", finished, self.step.query_count);
    }

    fn measure(&self) -> MutexGuard<'_, Measure> {
        // Counts that a panicking worker left are still counts.
        self.measure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the keys for the lookups. They stay in memory.
async fn read_keys(session: &PgSession, step: &SelectLoadStep) -> Result<Vec<Vec<Vec<String>>>, FaultError> {
    let limit = step.statement_timeout.as_millis();
    let mut all = Vec::with_capacity(step.queries.len());
    for query in &step.queries {
        let Some(keys) = &query.keys else {
            all.push(Vec::new());
            continue;
        };
        let sql = format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}; {}; COMMIT", keys.sql);
        let found = match session.simple("read keys to look up", &sql).await {
            Ok(rows) => rows.iter().filter_map(|row| all_values(row, keys.columns.len())).collect(),
            Err(FaultError::Target(_) | FaultError::Busy(_)) => {
                // The table is gone or locked meanwhile: then its lookups fail in the load, and are counted there.
                session.rollback().await?;
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        all.push(found);
    }
    Ok(all)
}

fn all_values(row: &tokio_postgres::SimpleQueryRow, columns: usize) -> Option<Vec<String>> {
    (0..columns).map(|place| row.get(place).map(str::to_owned)).collect()
}
