//! Undoes the steps of one system, one after the other.
//!
//! The first attempt uses the connection of the run where that is worth it and it still answers. Otherwise, and after every failure,
//! it connects afresh and compares who answers with who was planned, as a recovery does. The connection serves the next steps too,
//! until something fails.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chaos_core::crash::crash_point;
use chaos_core::{
    DynFault, DynTarget, Failure, FaultError, RecordBody, RevertOutcome, Reverted, StepContext, StepState,
};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::inject::{step_context, too_long};
use crate::lanes::permit;
use crate::rollback::{HOLD_BACK_MAX, Job, Rollback, Settled, Way};

/// The longest that one attempt may take. Undoing a hundred million rows takes minutes.
const ATTEMPT_MAX: Duration = Duration::from_secs(3600);
/// The longest that one attempt to connect may take. Whoever connects has a bound of its own, which people may have set to
/// minutes where a system is slow; what could be reached before the effect must not be out of reach for the undo.
const CONNECT_MAX: Duration = Duration::from_secs(10 * 60);
/// How often an undo is tried that the target has refused. It costs little and refusals may pass.
const REFUSALS_MAX: u32 = 3;
/// The waits between attempts double from the first to the longest.
const WAIT_FIRST: Duration = Duration::from_millis(200);
const WAIT_LONGEST: Duration = Duration::from_secs(5);
/// How long an unused connection is trusted. Whatever lies between may have closed it then, which would be a failed attempt.
const UNUSED_MAX: Duration = Duration::from_secs(10);

/// Which half of the undo is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Revert,
    Disarm,
}

/// Why a step is stuck.
struct GivenUp {
    error: String,
    hint: Option<String>,
}

/// A connection that worked.
struct Connection {
    way: usize,
    target: Arc<dyn DynTarget>,
    used: Instant,
}

/// The undo of one system.
pub(crate) struct Undo<'a> {
    rollback: &'a Rollback<'a>,
    /// Says that others shall not wait for this system.
    lags: &'a (dyn Fn() + Sync),
    connection: Option<Connection>,
    /// The ways whose connection of the run was tried.
    tried: HashSet<usize>,
    /// Since when it fails, so that a dead system is waited for once and not once for every step. Waiting for one's turn is no
    /// failure.
    failing_since: Option<Instant>,
    /// Whether the attempt that is being made got as far as the system.
    is_connected: bool,
}

impl<'a> Undo<'a> {
    pub(crate) fn new(rollback: &'a Rollback<'a>, lags: &'a (dyn Fn() + Sync)) -> Self {
        Self {
            rollback,
            lags,
            connection: None,
            tried: HashSet::new(),
            failing_since: None,
            is_connected: false,
        }
    }

    /// Undoes one step, and returns what became of it.
    pub(crate) async fn step(&mut self, job: &Job<'_>) -> Settled {
        let step = job.planned.id;
        let mut settled = Settled { step, state: job.standing.state, already_undone: false };
        let ended = match job.standing.state {
            // Only the helpers are left.
            StepState::Reverted | StepState::Accepted => Ok(()),
            _ => self.revert(job, &mut settled).await,
        };
        let ended = match ended {
            Ok(()) if settled.state == StepState::Conflict => return settled,
            Ok(()) => self.retry(job, Half::Disarm).await.map(drop),
            Err(given_up) => Err(given_up),
        };
        match ended {
            Ok(()) => self.rollback.ledger.note(RecordBody::Disarmed { step }).await,
            Err(GivenUp { error, hint }) => {
                settled.state = StepState::Stuck;
                self.rollback.ledger.note(RecordBody::Stuck { step, error, hint }).await;
            }
        }
        settled
    }

    async fn revert(&mut self, job: &Job<'_>, settled: &mut Settled) -> Result<(), GivenUp> {
        let reverted = self.retry(job, Half::Revert).await?;
        settled.already_undone = reverted.outcome == RevertOutcome::AlreadyUndone;
        settled.state = match reverted.conflicts_total {
            0 => StepState::Reverted,
            _ => StepState::Conflict,
        };
        self.rollback.ledger.note(RecordBody::Reverted { step: job.planned.id, reverted }).await;
        Ok(())
    }

    async fn retry(&mut self, job: &Job<'_>, half: Half) -> Result<Reverted, GivenUp> {
        let mut wait = WAIT_FIRST;
        let mut attempt = 1;
        loop {
            crash_point("engine.undo.attempt");
            let error = match self.in_turn(job, half).await {
                Ok(reverted) => {
                    self.failing_since = None;
                    return Ok(reverted);
                }
                Err(error) => error,
            };
            (self.lags)();
            let text = error.chain();
            self.rollback
                .ledger
                .note(RecordBody::RevertFailed { step: job.planned.id, attempt, error: text.clone() })
                .await;
            let goes_on = match error {
                FaultError::WrongTarget(_) => false,
                _ if error.is_transient() => self.failing_for() + wait < self.rollback.patience,
                // A login that is refused may lock an account when it is tried again.
                _ => self.is_connected && attempt < REFUSALS_MAX,
            };
            if !goes_on {
                let hint = error.hint().map_or_else(|| self.way_out(), str::to_owned);
                return Err(GivenUp { error: text, hint: Some(hint) });
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAIT_LONGEST);
            attempt += 1;
        }
    }

    fn failing_for(&self) -> Duration {
        self.failing_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn way_out(&self) -> String {
        format!(
            "mend the cause and run `chaos recover {0}`; `chaos recover {0} --abandon` gives the step up",
            self.rollback.run
        )
    }

    /// Tries once, in a place among those that may work at once. Who takes long gives the place up and goes on.
    async fn in_turn(&mut self, job: &Job<'_>, half: Half) -> Result<Reverted, FaultError> {
        let lags = self.lags;
        let permit = permit(self.rollback.ways[job.way].bound.clone()).await;
        self.failing_since.get_or_insert_with(Instant::now);
        let mut attempt = std::pin::pin!(self.attempt(job, half));
        tokio::select! {
            result = &mut attempt => return result,
            () = tokio::time::sleep(HOLD_BACK_MAX) => {}
        }
        drop(permit);
        lags();
        attempt.await
    }

    async fn attempt(&mut self, job: &Job<'_>, half: Half) -> Result<Reverted, FaultError> {
        let (rollback, planned) = (self.rollback, job.planned);
        let way = &rollback.ways[job.way];
        let fault = rollback.catalog.fault(&planned.fault).cloned().ok_or_else(|| {
            let hint = "use the version of chaos that started the run, or a later one";
            FaultError::Target(Failure::new(format!("find the fault `{}`", planned.fault)).hint(hint))
        })?;
        self.is_connected = false;
        let target = match self.connection.take() {
            Some(known) if known.way == job.way && known.used.elapsed() < UNUSED_MAX => known.target,
            _ => match self.living(job.way).await {
                Some(living) => living,
                None => self.connect(way).await?,
            },
        };
        self.is_connected = true;
        let never = CancellationToken::new();
        let cx = step_context(rollback.run, planned, way.hold, never, rollback.ledger, rollback.clock);
        let cx = StepContext { has_acted: half == Half::Revert && job.standing.has_acted, ..cx };
        let call = call(fault, target.clone(), cx, planned.step.clone(), half);
        let call = AbortOnDropHandle::new(tokio::spawn(call));
        let reverted = match tokio::time::timeout(ATTEMPT_MAX, call).await {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) => {
                let what = "undo without a panic; this is a defect of chaos";
                return Err(FaultError::Target(Failure::new(what)));
            }
            Err(_) => return Err(too_long("undo", planned, ATTEMPT_MAX)),
        };
        self.connection = Some(Connection { way: job.way, target, used: Instant::now() });
        Ok(reverted)
    }

    /// Returns the connection of the run, the first time and if it answers.
    async fn living(&mut self, way: usize) -> Option<Arc<dyn DynTarget>> {
        let living = self.rollback.ways[way].living.clone().filter(|_| self.tried.insert(way))?;
        living.is_still_there().await.then_some(living)
    }

    async fn connect(&self, way: &Way<'_>) -> Result<Arc<dyn DynTarget>, FaultError> {
        let (kind, planned) = (&way.target.kind, &way.target.identity);
        let label = &planned.label;
        let unknown = || FaultError::Target(Failure::new(format!("reach a target of kind `{kind}`")));
        let connector = self.rollback.catalog.connector(kind).ok_or_else(unknown)?;
        let config = way.config.clone().map_err(|why| {
            let hint = "mend that, or give the file where it is now with `chaos recover RUN --config FILE`";
            FaultError::Target(Failure::new(format!("find the configuration of `{label}`: {why}")).hint(hint))
        })?;
        let connected = tokio::time::timeout(CONNECT_MAX, connector.connect(config)).await;
        let target = connected
            .map_err(|_| FaultError::Unreachable(Failure::new(format!("connect to `{label}`"))))??;
        let found = target.identity();
        if found.fingerprint != planned.fingerprint {
            let what =
                format!("undo on `{label}`: `{}` answers, which is not the system of the run", found.label);
            let hint =
                "nothing was touched; point the configuration at the system of the run and recover again";
            return Err(FaultError::WrongTarget(Failure::new(what).hint(hint)));
        }
        Ok(target)
    }
}

async fn call(
    fault: Arc<dyn DynFault>,
    target: Arc<dyn DynTarget>,
    cx: StepContext,
    step: Value,
    half: Half,
) -> Result<Reverted, FaultError> {
    match half {
        Half::Revert => fault.revert(&cx, &*target, &step).await,
        Half::Disarm => {
            fault.disarm(&cx, &*target, &step).await?;
            Ok(Reverted::new(RevertOutcome::Restored))
        }
    }
}
