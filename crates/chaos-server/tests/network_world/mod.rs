//! What tests of network faults share: one use of a fault on a test host over SSH, from plan to nothing left.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "every test file uses its own part; a test ends where something is off"
)]

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chaos_core::clock::SystemClock;
use chaos_core::context::{Progress, ResourceFilter};
use chaos_core::id::{RunId, StepId};
use chaos_core::{Connector, Effect, Fault, FaultError, PrepareContext, Reverted, StepContext};
use chaos_server::{HostFault, HostStep, OnHost, ServerConnector, ServerTarget};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::world::{TestHost, inventory, wait_until};

static USES: AtomicU32 = AtomicU32::new(0);

/// Connects to a host as one of its users; all but root become root there.
pub async fn connect(host: &TestHost, user: &str, margin: &str) -> ServerTarget {
    connect_to(host, user, margin, Value::Null).await
}

/// Connects to a container on a host.
pub async fn connect_container(host: &TestHost, name: &str) -> ServerTarget {
    connect_to(host, "root", "60s", name.into()).await
}

async fn connect_to(host: &TestHost, user: &str, margin: &str, container: Value) -> ServerTarget {
    let inventory = inventory().unwrap();
    let config = json!({
        "hosts": [{
            "host": host.host.address.to_string(),
            "port": host.host.port,
            "username": user,
            "auth": { "type": "key", "private_key_path": inventory.keys.ed25519 },
            "known_hosts": inventory.known_hosts,
            "ssh_config": "none",
            "become": if user == "root" { "none" } else { "sudo" },
            "container": container,
        }],
        "deadline_margin": margin,
    });
    ServerConnector.connect(serde_json::from_value(config).unwrap()).await.unwrap()
}

/// One use of a fault on a host, with its step taken through JSON as the journal does.
pub struct Use<F: HostFault> {
    fault: OnHost<F>,
    /// The host.
    pub target: ServerTarget,
    /// The step.
    pub step: HostStep<F::Step>,
    cx: StepContext,
    session: Option<<OnHost<F> as Fault>::Session>,
}

/// Asks a fault for its one step.
pub async fn prepare<F: HostFault>(
    target: &ServerTarget,
    hold: Duration,
    params: Value,
) -> Result<(PrepareContext, HostStep<F::Step>), FaultError> {
    let random = USES.fetch_add(1, Ordering::Relaxed) ^ (std::process::id() << 4);
    let cx = PrepareContext {
        run: RunId::new(jiff::Timestamp::now(), random),
        use_number: 1,
        seed: 42,
        hold,
        filter: ResourceFilter::default(),
    };
    let params = serde_json::from_value(params)
        .map_err(|error| FaultError::Params(chaos_core::Failure::new("read the parameters").source(error)))?;
    let mut steps = OnHost(F::default()).prepare(&cx, target, params).await?;
    assert_eq!(steps.len(), 1);
    let text = serde_json::to_string(&steps.remove(0)).unwrap();
    Ok((cx, serde_json::from_str(&text).unwrap()))
}

/// Why a fault refuses parameters on a host; the test ends when it does not.
pub async fn refusal<F: HostFault>(target: &ServerTarget, params: Value) -> FaultError {
    match prepare::<F>(target, Duration::from_secs(60), params.clone()).await {
        Err(error) => error,
        Ok((_, step)) => panic!("{params} is accepted: {step}"),
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
        let prepared = prepare::<F>(&target, hold, params).await;
        let (cx, step) = prepared.unwrap_or_else(|error| panic!("{}", error.chain()));
        let cx = StepContext {
            run: cx.run,
            step: StepId(1),
            hold,
            cancel: CancellationToken::new(),
            progress: Progress::none(),
            clock: Arc::new(SystemClock),
            has_acted: false,
        };
        Self { fault: OnHost(F::default()), target, step, cx, session: None }
    }

    /// Arms and acts.
    pub async fn inject(&mut self) -> Effect {
        self.try_inject().await.unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// Arms and acts, or says why not.
    pub async fn try_inject(&mut self) -> Result<Effect, FaultError> {
        let mut session = self.fault.arm(&self.cx, &self.target, &self.step).await?;
        let effect = self.fault.inject(&self.cx, &self.target, &self.step, &mut session).await;
        self.session = Some(session);
        self.cx.has_acted = effect.is_ok();
        effect
    }

    /// Ends the hold and returns what was measured.
    pub async fn finish(&mut self) -> Result<Option<Effect>, FaultError> {
        self.fault.finish(&self.cx, self.session.take().unwrap()).await
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
        self.fault.revert(&self.cx, &self.target, &self.step).await
    }

    /// Takes the rope away.
    pub async fn disarm(&self) {
        self.fault.disarm(&self.cx, &self.target, &self.step).await.unwrap();
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

    /// Waits until the deadline on the host has come and its undo is done.
    pub async fn wait_for_deadline(&self, host: &TestHost) {
        let done = format!("[ -e {}/done ]", self.step.rope.dir);
        wait_until("the deadline comes", Duration::from_secs(30), async || host.is_true(&done).await).await;
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
    format!("ssh -F {} -o ControlPath=none -o ConnectTimeout=5 {}", config.display(), host.host.name)
}

/// Whether a new SSH login gets a command run.
pub async fn lets_in(host: &TestHost) -> bool {
    here(&format!("{} true", ssh(host))).await.0
}
