//! What tests of network faults share: one use of a fault on a test host over SSH, from plan to nothing left.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "every test file uses its own part; a test ends where something is off"
)]

#[path = "../stage/setup.rs"]
mod setup;

use std::process::Stdio;
use std::time::{Duration, Instant};

use chaos_core::fault::RevertOutcome;
use chaos_core::{Effect, Fault, FaultError, Reverted, RunId, StepContext};
use chaos_server::{HostFault, HostStep, OnHost, ServerTarget};
use serde_json::Value;
use setup::{Setup, assert_names_the_other, journaled, new_run};

use crate::world::{TestHost, inventory, wait_until};

/// Connects to a host as one of its users; all but root become root there.
pub async fn connect(host: &TestHost, user: &'static str, margin: &'static str) -> ServerTarget {
    Setup { user, margin: Some(margin), ..Setup::default() }.connect(host).await
}

/// Connects to a container on a host.
pub async fn connect_container(host: &TestHost, name: &'static str) -> ServerTarget {
    Setup { container: Some(("auto", name)), ..Setup::default() }.connect(host).await
}

/// One use of a fault on a host, with its step taken through JSON as the journal does.
pub struct Use<F: HostFault> {
    fault: OnHost<F>,
    /// The host.
    pub target: ServerTarget,
    /// The step.
    pub step: HostStep<F::Step>,
    setup: Setup,
    run: RunId,
    has_acted: bool,
    session: Option<<OnHost<F> as Fault>::Session>,
}

/// Why a fault refuses parameters on a host; the test ends when it does not.
pub async fn refusal<F: HostFault>(target: &ServerTarget, params: Value) -> FaultError {
    let fault = OnHost(F::default());
    match Setup::default().prepare(&fault, target, &new_run(), params.clone()).await {
        Err(error) => error,
        Ok(steps) => panic!("{params} is accepted: {}", journaled(steps)),
    }
}

impl<F: HostFault> Use<F> {
    /// Prepares a use that lasts a minute.
    pub async fn new(host: &TestHost, params: Value) -> Self {
        let target = connect(host, "root", "60s").await;
        Self::on(target, Duration::from_secs(60), params).await
    }

    /// Prepares a use on a connected host.
    pub async fn on(target: ServerTarget, hold: Duration, params: Value) -> Self {
        let (setup, run) = (Setup { hold, ..Setup::default() }, new_run());
        let fault = OnHost(F::default());
        let prepared = setup.prepare(&fault, &target, &run, params).await;
        let step = journaled(prepared.unwrap_or_else(|error| panic!("{}", error.chain())));
        Self { fault, target, step, setup, run, has_acted: false, session: None }
    }

    fn cx(&self) -> StepContext {
        self.setup.step_context(&self.run, self.has_acted)
    }

    /// Arms and acts.
    pub async fn inject(&mut self) -> Effect {
        self.try_inject().await.unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// Arms and acts, or says why not.
    pub async fn try_inject(&mut self) -> Result<Effect, FaultError> {
        let mut session = self.fault.arm(&self.cx(), &self.target, &self.step).await?;
        let effect = self.fault.inject(&self.cx(), &self.target, &self.step, &mut session).await;
        self.session = Some(session);
        self.has_acted = effect.is_ok();
        effect
    }

    /// Ends the hold and returns what was measured.
    pub async fn finish(&mut self) -> Result<Option<Effect>, FaultError> {
        self.fault.finish(&self.cx(), self.session.take().unwrap()).await
    }

    /// Ends the hold and returns what was measured; the test ends when the effect was not there any more.
    pub async fn measured(&mut self) -> Effect {
        self.finish().await.unwrap_or_else(|error| panic!("{}", error.chain())).unwrap()
    }

    /// Undoes.
    pub async fn revert(&mut self) -> Reverted {
        self.try_revert().await.unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// Undoes, or says why not.
    pub async fn try_revert(&mut self) -> Result<Reverted, FaultError> {
        self.session = None;
        self.fault.revert(&self.cx(), &self.target, &self.step).await
    }

    /// Takes the rope away.
    pub async fn disarm(&self) {
        self.fault.disarm(&self.cx(), &self.target, &self.step).await.unwrap();
    }

    /// Undoes on a new connection, as a recovery does, and takes the rope away.
    pub async fn recover(&mut self, host: &TestHost) -> Reverted {
        self.recover_by(connect(host, "root", "60s").await).await
    }

    /// Undoes by another connection, as a recovery does, and takes the rope away.
    pub async fn recover_by(&mut self, target: ServerTarget) -> Reverted {
        self.target = target;
        let reverted = self.revert().await;
        self.disarm().await;
        reverted
    }

    /// Lets our side die: no heartbeats, no undo from us.
    pub fn die(&mut self) {
        self.session = None;
    }

    /// Sees that of two runs which are planned at the same moment the second one is refused, and leaves the first one alone.
    pub async fn refuses_a_second_run(host: &TestHost, params: Value, claimed: &str) {
        let before = host.snapshot().await;
        let (mut first, mut second) =
            (Self::new(host, params.clone()).await, Self::new(host, params.clone()).await);
        first.inject().await;
        let third = refusal::<F>(&connect(host, "root", "60s").await, params).await;
        assert_names_the_other(&third, claimed);
        let said = second.try_inject().await.map(drop).unwrap_err().chain();
        assert!(said.contains(&format!("another run acts on {claimed} there")), "{said}");
        let reverted = second.revert().await;
        assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::NothingToDo, 0));
        second.disarm().await;
        first.measured().await;
        assert_eq!(first.revert().await.outcome, RevertOutcome::Restored);
        first.disarm().await;
        host.assert_same(&before).await;
    }

    /// Sees that a queue of somebody else in the place of ours is noticed, and left alone.
    pub async fn assert_queue_replaced(&mut self) {
        let error = self.finish().await.unwrap_err().chain();
        assert!(error.contains("is not ours any more"), "{error}");
        let reverted = self.revert().await;
        assert_eq!(reverted.conflicts_total, 1);
        assert_eq!(reverted.conflicts[0].what, "queue of eth0");
        self.disarm().await;
    }

    /// Waits until the deadline on the host has come and its undo is done.
    pub async fn wait_for_deadline(&self, host: &TestHost) {
        let done = format!("[ -e {}/done ]", self.step.rope.dir);
        wait_until("the deadline comes", Duration::from_secs(60), async || host.is_true(&done).await).await;
    }
}

/// How a command on this machine ended, and how long it took.
pub async fn here(command: &str) -> (bool, String, Duration) {
    let begin = Instant::now();
    let output = tokio::process::Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text, begin.elapsed())
}

/// The command that logs in to a host anew.
pub fn ssh(host: &TestHost) -> String {
    let config = inventory().unwrap().ssh_config;
    // A virtual host is slow, and may just lose what we send.
    let patience = if host.host.is_virtual() { 30 } else { 10 };
    format!(
        "timeout -k 1 60 ssh -F {} -o ControlPath=none -o ConnectTimeout={patience} {}",
        config.display(),
        host.host.name
    )
}

/// Whether a new SSH login gets a command run.
pub async fn lets_in(host: &TestHost) -> bool {
    here(&format!("{} true", ssh(host))).await.0
}
