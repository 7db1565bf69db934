//! Undoes steps, newest first, and does not give up while there is hope.
//!
//! Every system has a lane of its own, in which its steps are undone newest first. The lanes go side by side, but a lane
//! waits with an older wave until the others are done with the newer ones, as long as they get on: one that fails or is
//! slow holds nobody back. Nothing here can be cancelled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chaos_core::{Catalog, Clock, DynTarget, PlannedStep, RunId, StepId, StepState, TargetRef};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, join_all};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use crate::ledger::Ledger;
use crate::undo::Undo;

/// How long a system may be busy with one attempt before it no longer holds back the others, and gives its place among those
/// that may work at once to the next.
pub(crate) const HOLD_BACK_MAX: Duration = Duration::from_secs(3);

/// What a rollback needs, the same for all its lanes.
pub(crate) struct Rollback<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) ledger: &'a Ledger,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) run: &'a RunId,
    /// How long a system that fails is waited for.
    pub(crate) patience: Duration,
    /// The ways to the targets.
    pub(crate) ways: Vec<Way<'a>>,
}

/// How one target is reached.
pub(crate) struct Way<'a> {
    pub(crate) target: &'a TargetRef,
    /// How long the faults of its experiment are held.
    pub(crate) hold: Duration,
    /// The connection of the run itself, where this is its own process.
    pub(crate) living: Option<Arc<dyn DynTarget>>,
    /// The resolved configuration, or why there is none.
    pub(crate) config: Result<Value, String>,
    /// How many systems of its configuration may be worked on at once.
    pub(crate) bound: Option<Arc<Semaphore>>,
    /// Sessions of its steps that are still being ended. They must be gone before anything is undone there.
    pub(crate) sessions: Vec<Ending>,
}

/// The end of a session: whether it ended as it should.
pub(crate) type Ending = Shared<BoxFuture<'static, bool>>;

/// One step to undo.
pub(crate) struct Job<'a> {
    pub(crate) planned: &'a PlannedStep,
    pub(crate) standing: Standing,
    /// The place of its way.
    pub(crate) way: usize,
    /// Its experiment and wave. The greatest is undone first.
    pub(crate) order: Order,
}

/// Where a step stands before its undo.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) state: StepState,
    /// See [`StepContext::has_acted`](chaos_core::StepContext::has_acted).
    pub(crate) has_acted: bool,
}

/// What became of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled {
    pub(crate) step: StepId,
    pub(crate) state: StepState,
    /// Whether it had been undone before, by the target or by an earlier attempt.
    pub(crate) already_undone: bool,
}

/// Experiment and wave.
pub(crate) type Order = (usize, u32);

impl Rollback<'_> {
    /// Undoes all `jobs`, which come newest first, and returns where each step stands then, in the order they were settled.
    pub(crate) async fn undo_all(&self, jobs: Vec<Job<'_>>) -> Vec<Settled> {
        let lanes = self.lanes(jobs);
        let front = Front::new(lanes.iter().map(|lane| lane.first().map(|job| job.order)).collect());
        let settled = Mutex::new(Vec::new());
        let settled_by = |step| settled.lock().unwrap_or_else(PoisonError::into_inner).push(step);
        let undoing =
            lanes.iter().enumerate().map(|(place, jobs)| self.lane(place, jobs, &front, &settled_by));
        join_all(undoing).await;
        settled.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// One lane for each system: two targets may be the same one.
    fn lanes<'j>(&self, jobs: Vec<Job<'j>>) -> Vec<Vec<Job<'j>>> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut lanes: Vec<Vec<Job<'j>>> = Vec::new();
        for job in jobs {
            let system = self.ways[job.way].target.identity.fingerprint.as_str();
            let place = *places.entry(system).or_insert(lanes.len());
            if place == lanes.len() {
                lanes.push(Vec::new());
            }
            lanes[place].push(job);
        }
        // Stable: within a wave they stay newest first.
        lanes.iter_mut().for_each(|jobs| jobs.sort_by_key(|job| std::cmp::Reverse(job.order)));
        lanes
    }

    async fn lane(&self, place: usize, jobs: &[Job<'_>], front: &Front, settled: &(dyn Fn(Settled) + Sync)) {
        let lags = || front.lag(place);
        let mut undo = Undo::new(self, &lags);
        for job in jobs {
            let mut sessions = join_all(self.ways[job.way].sessions.iter().cloned());
            if (&mut sessions).now_or_never().is_none() {
                lags();
                sessions.await;
            }
            front.turn(place, job.order).await;
            settled(undo.step(job).await);
        }
        front.leave(place);
    }
}

/// How far the lanes are that others wait for.
struct Front {
    lanes: Mutex<Vec<Standpoint>>,
    /// The newest order that a lane is at that gets on.
    newest: watch::Sender<Option<Order>>,
}

#[derive(Clone, Copy)]
struct Standpoint {
    /// What the lane is at; `None` when it is done.
    order: Option<Order>,
    /// It failed or was slow, so that nobody waits for it any more.
    lags: bool,
}

impl Front {
    fn new(orders: Vec<Option<Order>>) -> Self {
        let newest = orders.iter().copied().max().flatten();
        let lanes = orders.into_iter().map(|order| Standpoint { order, lags: false }).collect();
        Self { lanes: Mutex::new(lanes), newest: watch::Sender::new(newest) }
    }

    /// Comes to `order`, and waits until nobody who gets on is at a newer one.
    async fn turn(&self, place: usize, order: Order) {
        self.change(place, |lane| lane.order = Some(order));
        let mut newest = self.newest.subscribe();
        // The sender lives as long as we do.
        let _ = newest.wait_for(|newest| newest.is_none_or(|newest| newest <= order)).await;
    }

    fn lag(&self, place: usize) {
        self.change(place, |lane| lane.lags = true);
    }

    fn leave(&self, place: usize) {
        self.change(place, |lane| lane.order = None);
    }

    fn change(&self, place: usize, change: impl FnOnce(&mut Standpoint)) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut lanes[place]);
        let newest = lanes.iter().filter(|lane| !lane.lags).filter_map(|lane| lane.order).max();
        self.newest.send_if_modified(|known| std::mem::replace(known, newest) != newest);
    }
}
