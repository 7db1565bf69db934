//! One fault on one test host, through the real connector and the real `Fault` trait; what is seen is seen from outside.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "every test file uses its own part; a test ends where something is off"
)]

use std::sync::Arc;
use std::time::Duration;

use chaos_core::clock::SystemClock;
use chaos_core::context::{Progress, ResourceFilter};
use chaos_core::{
    Connector, Effect, Fault, FaultError, PrepareContext, Reverted, RunId, StepContext, StepFacts, StepId,
};
use chaos_server::{ServerConnector, ServerTarget};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::world::{HostSnapshot, TestHost, inventory};

/// What an experiment and its target say.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Who logs in; everybody but root needs `sudo`.
    pub user: &'static str,
    /// `resource_filters`.
    pub filters: Vec<&'static str>,
    /// `exclude_services`.
    pub excluded: Vec<&'static str>,
    /// Whether faults may choose.
    pub may_choose: bool,
    /// The seed.
    pub seed: u64,
    /// How long the fault is held. It is the least that a deadline is away from its arming.
    pub hold: Duration,
    /// `deadline_margin`.
    pub margin: Option<&'static str>,
    /// The engine and the name of a container on the host that is meant in its place.
    pub container: Option<(&'static str, &'static str)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            user: "root",
            filters: Vec::new(),
            excluded: Vec::new(),
            may_choose: true,
            seed: 7,
            hold: Duration::from_secs(60),
            margin: None,
            container: None,
        }
    }
}

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
        let target = connect(&host, &setup).await;
        let before = host.snapshot().await;
        let run = RunId::new(jiff::Timestamp::now(), rand::random());
        Self { host, target, fault: F::default(), before, setup, run }
    }

    /// Changes the seed of the preparations that follow.
    pub fn set_seed(&mut self, seed: u64) {
        self.setup.seed = seed;
    }

    /// Prepares, with parameters as people write them.
    pub async fn prepare(&self, params: Value) -> Result<Vec<F::Step>, FaultError> {
        let params = match serde_json::from_value(params) {
            Ok(params) => params,
            Err(error) => {
                let failure = chaos_core::Failure::new("read the parameters").source(error);
                return Err(FaultError::Params(failure));
            }
        };
        let expressions = self.setup.filters.iter().map(|text| regex::Regex::new(text).unwrap());
        let cx = PrepareContext {
            run: self.run.clone(),
            use_number: 1,
            seed: self.setup.seed,
            hold: self.setup.hold,
            filter: ResourceFilter::new(expressions.collect()),
        };
        self.fault.prepare(&cx, &self.target, params).await
    }

    /// Prepares the one step of these parameters.
    pub async fn step(&self, params: Value) -> F::Step {
        let mut steps = self.prepare(params).await.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(steps.len(), 1);
        let step = steps.remove(0);
        // Whatever is done with it is done with what the journal would hold.
        serde_json::from_str(&serde_json::to_string(&step).unwrap()).unwrap()
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
        let armed = self.fault.arm(&self.cx(false), &self.target, step).await;
        armed.unwrap_or_else(|error| panic!("{}", error.chain()))
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

    /// Connects anew, as another process would.
    pub async fn connect_again(&mut self) {
        self.target = connect(&self.host, &self.setup).await;
    }

    fn cx(&self, has_acted: bool) -> StepContext {
        StepContext {
            run: self.run.clone(),
            step: StepId(1),
            hold: self.setup.hold,
            cancel: CancellationToken::new(),
            progress: Progress::none(),
            clock: Arc::new(SystemClock),
            has_acted,
        }
    }
}

async fn connect(host: &TestHost, setup: &Setup) -> ServerTarget {
    let world = inventory().unwrap();
    let become_root = if setup.user == "root" { "none" } else { "sudo" };
    let mut config = json!({
        "hosts": [{
            "host": host.host.address.to_string(),
            "username": setup.user,
            "auth": {"type": "key", "private_key_path": world.keys.ed25519},
            "known_hosts": world.known_hosts,
            "ssh_config": "none",
            "become": become_root,
        }],
        "discovery": {"enabled": setup.may_choose, "exclude_services": setup.excluded},
    });
    if let Some(margin) = setup.margin {
        config["deadline_margin"] = json!(margin);
    }
    if let Some((engine, name)) = setup.container {
        config["hosts"][0]["container_engine"] = engine.into();
        config["hosts"][0]["container"] = name.into();
    }
    let config = serde_json::from_value(config).unwrap();
    ServerConnector.connect(config).await.unwrap_or_else(|error| panic!("{}", error.chain()))
}
