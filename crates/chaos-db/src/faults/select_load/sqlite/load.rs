//! Starts the load, lets it run during the hold, and stops it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chaos_core::{Effect, Failure, FaultError, Progress};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::Step;
use crate::faults::select_load::measure::Measure;
use crate::faults::select_load::query::{Query, choose};
use crate::generate::change::random;
use crate::sqlite::catalog::query;
use crate::sqlite::error::During;
use crate::sqlite::sql::ident;
use crate::sqlite::target::{File, in_thread};

/// How many steps of SQLite's machine lie between two looks at the time: well below a millisecond.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;
/// How long a query waits for a writer at most, so that the end of the load is never far away.
const BUSY_MAX: Duration = Duration::from_secs(2);
/// How long a worker sleeps at a time while it is not its turn.
const NAP: Duration = Duration::from_millis(20);

/// A load: open, running, or over. Dropping it ends the workers.
pub struct LoadSession {
    load: Arc<Load>,
    connections: Vec<Connection>,
    workers: Vec<JoinHandle<()>>,
}

/// What the workers of one load share.
struct Load {
    step: Step,
    stop: Arc<AtomicBool>,
    /// For each query of the step, the keys that a lookup may ask for.
    keys: Vec<Vec<Vec<Value>>>,
    measure: Mutex<Measure>,
    next: AtomicU64,
    begun: Mutex<Instant>,
    progress: Progress,
}

impl LoadSession {
    /// Opens all connections and reads the keys for the lookups. Nothing runs yet.
    pub(super) async fn open(file: Arc<File>, step: Step, progress: Progress) -> Result<Self, FaultError> {
        in_thread(move || {
            let open = |_| {
                let connection = file.open()?;
                connection
                    .busy_timeout(step.statement_timeout.min(BUSY_MAX))
                    .during("limit a wait for locks")?;
                // Not opened read-only: after a crash of the application its journal must be rolled back first.
                connection.execute_batch("PRAGMA query_only = ON").during("allow only reads")?;
                Ok(connection)
            };
            let connections = (0..step.connections).map(open).collect::<Result<Vec<_>, FaultError>>()?;
            let keys = match connections.first() {
                Some(connection) => {
                    step.queries.iter().map(|of| read_keys(connection, of)).collect::<Result<_, _>>()?
                }
                None => Vec::new(),
            };
            let load = Load {
                step,
                stop: Arc::default(),
                keys,
                measure: Mutex::default(),
                next: AtomicU64::new(0),
                begun: Mutex::new(Instant::now()),
                progress,
            };
            Ok(Self { load: Arc::new(load), connections, workers: Vec::new() })
        })
        .await
    }

    /// Lets the load run.
    pub(super) fn start(&mut self) -> Result<(), FaultError> {
        *lock(&self.load.begun) = Instant::now();
        for connection in self.connections.drain(..) {
            let load = Arc::clone(&self.load);
            let worker = std::thread::Builder::new()
                .name("sqlite-load".to_owned())
                .spawn(move || load.work(connection))
                .map_err(|source| {
                    FaultError::Target(Failure::new("start a thread for the load").source(source))
                })?;
            self.workers.push(worker);
        }
        Ok(())
    }

    /// Ends the load and returns what it measured.
    pub(super) async fn stop(mut self) -> Result<Effect, FaultError> {
        in_thread(move || {
            self.end();
            let measure = lock(&self.load.measure);
            let begun = *lock(&self.load.begun);
            let elapsed = measure.last.map_or(Duration::ZERO, |last| last.into_std().duration_since(begun));
            Ok(measure.effect(self.load.step.query_count, elapsed))
        })
        .await
    }

    fn end(&mut self) {
        self.load.stop.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                tracing::error!("A worker of a load panicked; its queries are missing in the report.");
            }
        }
    }
}

impl Drop for LoadSession {
    fn drop(&mut self) {
        self.end();
    }
}

impl Load {
    /// A worker: runs queries until there are none left or the load is stopped.
    fn work(&self, mut connection: Connection) {
        let watch = Arc::new(Mutex::new(Instant::now()));
        let (stop, deadline) = (Arc::clone(&self.stop), Arc::clone(&watch));
        let ends = move || stop.load(Ordering::Relaxed) || Instant::now() > *lock(&deadline);
        if let Err(error) = connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(ends)) {
            tracing::error!(%error, "A worker of a load cannot limit its queries, so it runs none.");
            return;
        }
        while let Some(number) = self.take() {
            let place = choose(&self.step.queries, self.step.seed, number);
            let (Some(query), Some(keys)) = (self.step.queries.get(place), self.keys.get(place)) else {
                return;
            };
            lock(&self.measure).started += 1;
            let started = Instant::now();
            *lock(&watch) = started + self.step.statement_timeout;
            let key = match keys.len() as u64 {
                0 => None,
                count => keys.get((random(self.step.seed, number) % count) as usize),
            };
            let answered = run(&connection, query, key);
            if answered.is_err() && self.stop.load(Ordering::Relaxed) {
                // It was cut off by the end of the load, not by a fault of the database.
                return;
            }
            let finished = {
                let mut measure = lock(&self.measure);
                match answered {
                    Ok(rows) => measure.done(query.kind, started.elapsed(), rows),
                    Err(error) => measure.failed(query.kind, &self.describe(&error)),
                }
                measure.finished()
            };
            self.progress.report("queries", finished, self.step.query_count);
        }
    }

    /// Returns the number of the next query when its time has come, while there is one and nobody stopped the load.
    fn take(&self) -> Option<u64> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.step.query_count {
            return None;
        }
        if let Some(rate) = self.step.rate {
            let due = *lock(&self.begun) + Duration::from_secs_f64(number as f64 / rate);
            while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                if self.stop.load(Ordering::Relaxed) {
                    return None;
                }
                std::thread::sleep(left.min(NAP));
            }
        }
        Some(number)
    }

    fn describe(&self, error: &rusqlite::Error) -> String {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => {
                format!(
                    "ended after {} ms, the time limit of a query",
                    self.step.statement_timeout.as_millis()
                )
            }
            _ => error.to_string(),
        }
    }
}

/// Runs one query and returns how many rows came back.
fn run(connection: &Connection, of: &Query, key: Option<&Vec<Value>>) -> rusqlite::Result<u64> {
    let (sql, values) = match (&of.keys, key) {
        (Some(keys), Some(values)) => {
            let equal: Vec<String> =
                keys.columns.iter().map(|column| format!("{} = ?", ident(column))).collect();
            (format!("{} {}", of.sql, equal.join(" AND ")), values.as_slice())
        }
        (Some(_), None) => (format!("{} false", of.sql), [].as_slice()),
        (None, _) => (of.sql.clone(), [].as_slice()),
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(values))?;
    let mut rows = 0;
    while found.next()?.is_some() {
        rows += 1;
    }
    Ok(rows)
}

/// Reads the keys for the lookups. They stay in memory.
fn read_keys(connection: &Connection, of: &Query) -> Result<Vec<Vec<Value>>, FaultError> {
    let Some(keys) = &of.keys else { return Ok(Vec::new()) };
    let width = keys.columns.len();
    query(connection, "read keys to look up", &keys.sql, &[], |row| {
        (0..width).map(|place| row.get(place)).collect()
    })
}

/// Counts that a panicking worker left are still counts.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
