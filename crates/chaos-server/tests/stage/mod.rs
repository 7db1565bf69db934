//! One fault on one test host, through the real connector and the real `Fault` trait; what is seen is seen from outside.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "every test file uses its own part; a test ends where something is off"
)]

mod setup;

use chaos_core::fault::RevertOutcome;
use chaos_core::{Effect, Fault, FaultError, Reverted, RunId, StepContext, StepFacts};
use chaos_server::ServerTarget;
use serde_json::Value;
pub use setup::Setup;
use setup::{assert_names_the_other, journaled, new_run};

use crate::world::{HostSnapshot, TestHost};

/// A test host with a connection to it and a fault.
pub struct Stage<F> {
    /// The host, from outside.
    pub host: TestHost,
    /// The host, as the fault sees it.
    pub target: ServerTarget,
    /// The fault.
    pub fault: F,
    /// What was there before.
    pub before: HostSnapshot,
    setup: Setup,
    run: RunId,
}

impl<F: Fault<Target = ServerTarget> + Default> Stage<F> {
    /// Takes a host; `None` when the hosts are not up.
    pub async fn get(name: &str) -> Option<Self> {
        Self::with(name, Setup::default()).await
    }

    /// Takes a host for an experiment that says this.
    pub async fn with(name: &str, setup: Setup) -> Option<Self> {
        let host = TestHost::get(name).await?;
        Some(Self::on(host, setup).await)
    }

    /// Takes a host that has just booted: what a reboot takes with it anyway is no difference then.
    pub async fn rebooted(name: &str) -> Option<Self> {
        let host = TestHost::get(name).await?;
        host.reboot_and_wait().await;
        Some(Self::on(host, Setup::default()).await)
    }

    /// Uses a host that the test has already.
    pub async fn on(host: TestHost, setup: Setup) -> Self {
        let target = setup.connect(&host).await;
        let before = host.snapshot().await;
        Self { host, target, fault: F::default(), before, setup, run: new_run() }
    }

    /// Changes the seed of the preparations that follow.
    pub fn set_seed(&mut self, seed: u64) {
        self.setup.seed = seed;
    }

    /// Prepares, with parameters as people write them.
    pub async fn prepare(&self, params: Value) -> Result<Vec<F::Step>, FaultError> {
        self.setup.prepare(&self.fault, &self.target, &self.run, params).await
    }

    /// Prepares the one step of these parameters.
    pub async fn step(&self, params: Value) -> F::Step {
        journaled(self.prepare(params).await.unwrap_or_else(|error| panic!("{}", error.chain())))
    }

    /// Returns why these parameters are refused, and sees that the host was not touched.
    pub async fn refusal(&self, params: Value) -> String {
        let Err(error) = self.prepare(params.clone()).await else { panic!("not refused: {params}") };
        self.host.assert_same(&self.before).await;
        error.chain()
    }

    /// Returns what is said of a step.
    pub fn facts(&self, step: &F::Step) -> StepFacts {
        self.fault.facts(step)
    }

    /// Arms and injects. The session keeps the deadline away.
    pub async fn act(&self, step: &F::Step) -> (F::Session, Effect) {
        let (session, effect) = self.try_act(step).await;
        (session, effect.unwrap_or_else(|error| panic!("{}", error.chain())))
    }

    /// Arms and injects, and returns how the inject ended.
    pub async fn try_act(&self, step: &F::Step) -> (F::Session, Result<Effect, FaultError>) {
        let mut session = self.arm(step).await;
        let effect = self.fault.inject(&self.cx(false), &self.target, step, &mut session).await;
        (session, effect)
    }

    /// Injects only, in a session of [`Stage::arm`].
    pub async fn inject(&self, step: &F::Step, session: &mut F::Session) -> Result<Effect, FaultError> {
        self.fault.inject(&self.cx(false), &self.target, step, session).await
    }

    /// Arms only.
    pub async fn arm(&self, step: &F::Step) -> F::Session {
        self.try_arm(step).await.unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// Arms only, and returns how that ended.
    pub async fn try_arm(&self, step: &F::Step) -> Result<F::Session, FaultError> {
        self.fault.arm(&self.cx(false), &self.target, step).await
    }

    /// Ends the hold and returns what was measured.
    pub async fn finish(&self, session: F::Session) -> Result<Option<Effect>, FaultError> {
        self.fault.finish(&self.cx(true), session).await
    }

    /// Undoes.
    pub async fn revert(&self, step: &F::Step) -> Reverted {
        self.try_revert(step, true).await.unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// Undoes, and returns how that ended.
    pub async fn try_revert(&self, step: &F::Step, has_acted: bool) -> Result<Reverted, FaultError> {
        self.fault.revert(&self.cx(has_acted), &self.target, step).await
    }

    /// Takes away what the undo needed.
    pub async fn disarm(&self, step: &F::Step) {
        let disarmed = self.fault.disarm(&self.cx(true), &self.target, step).await;
        disarmed.unwrap_or_else(|error| panic!("{}", error.chain()));
    }

    /// Disarms and sees that the host is as it was.
    pub async fn end(&self, step: &F::Step) {
        self.disarm(step).await;
        self.host.assert_same(&self.before).await;
    }

    /// Sees that two runs which are planned at the same moment do not both act on `claimed`: the second one is refused, and leaves
    /// the first one alone.
    pub async fn refuses_a_second_run(&mut self, params: Value, claimed: &str) {
        let first = self.step(params.clone()).await;
        self.run = new_run();
        let second = self.step(params.clone()).await;
        let (session, _) = self.act(&first).await;
        // A third one, planned now, hears of it before it touches anything.
        let Err(third) = self.prepare(params).await else { panic!("a third run acts on {claimed}") };
        assert_names_the_other(&third, claimed);
        let Err(error) = self.try_arm(&second).await else { panic!("both runs act on {claimed}") };
        let said = error.chain();
        assert!(said.contains(&format!("another run acts on {claimed} there")), "{said}");
        let reverted =
            self.try_revert(&second, false).await.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::NothingToDo, 0));
        self.disarm(&second).await;
        self.finish(session).await.unwrap_or_else(|error| panic!("{}", error.chain()));
        self.revert(&first).await;
        self.end(&first).await;
    }

    /// Connects anew, as another process would.
    pub async fn connect_again(&mut self) {
        self.target = self.setup.connect(&self.host).await;
    }

    fn cx(&self, has_acted: bool) -> StepContext {
        self.setup.step_context(&self.run, has_acted)
    }
}

/// Returns what is told of conflicts, in order, with `N` for each inode.
pub fn told(reverted: &Reverted) -> Vec<String> {
    let inode = regex::Regex::new(", inode [1-9][0-9]*").unwrap();
    let lines = reverted.conflicts.iter().map(|conflict| format!("{}: {}", conflict.what, conflict.found));
    let mut lines: Vec<_> = lines.map(|line| inode.replace(&line, ", inode N").into_owned()).collect();
    lines.sort();
    lines
}
