//! What an experiment on a test host says, and what comes of it: a connection, steps, and the contexts they are used in.

use std::sync::Arc;
use std::time::Duration;

use chaos_core::clock::SystemClock;
use chaos_core::context::{Progress, ResourceFilter};
use chaos_core::{Connector, Failure, Fault, FaultError, PrepareContext, RunId, StepContext, StepId};
use chaos_server::{ServerConnector, ServerTarget};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::world::{TestHost, inventory};

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

impl Setup {
    /// Connects to a host.
    pub async fn connect(&self, host: &TestHost) -> ServerTarget {
        let world = inventory().unwrap();
        let mut config = json!({
            "hosts": [{
                "host": host.host.address.to_string(),
                "port": host.host.port,
                "username": self.user,
                "auth": {"type": "key", "private_key_path": world.keys.ed25519},
                "known_hosts": world.known_hosts,
                "ssh_config": "none",
                // Virtual machines are slow, and so is a machine on which many tests run.
                "connect_timeout": "30s",
                "become": if self.user == "root" { "none" } else { "sudo" },
            }],
            "discovery": {"enabled": self.may_choose, "exclude_services": self.excluded},
        });
        if let Some(margin) = self.margin {
            config["deadline_margin"] = json!(margin);
        }
        if let Some((engine, name)) = self.container {
            config["hosts"][0]["container_engine"] = engine.into();
            config["hosts"][0]["container"] = name.into();
        }
        let config = serde_json::from_value(config).unwrap();
        ServerConnector.connect(config).await.unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// Prepares, with parameters as people write them.
    pub async fn prepare<F: Fault<Target = ServerTarget>>(
        &self,
        fault: &F,
        target: &ServerTarget,
        run: &RunId,
        params: Value,
    ) -> Result<Vec<F::Step>, FaultError> {
        let params: F::Params = serde_json::from_value(params)
            .map_err(|error| FaultError::Params(Failure::new("read the parameters").source(error)))?;
        fault.check(&params)?;
        let expressions = self.filters.iter().map(|text| regex::Regex::new(text).unwrap());
        let cx = PrepareContext {
            run: run.clone(),
            use_number: 1,
            seed: self.seed,
            hold: self.hold,
            filter: ResourceFilter::new(expressions.collect()),
        };
        fault.prepare(&cx, target, params).await
    }

    /// Returns the context that a step is used in.
    pub fn step_context(&self, run: &RunId, has_acted: bool) -> StepContext {
        StepContext {
            run: run.clone(),
            step: StepId(1),
            hold: self.hold,
            cancel: CancellationToken::new(),
            progress: Progress::none(),
            clock: Arc::new(SystemClock),
            has_acted,
        }
    }
}

/// Returns a name for a run that no other one has.
pub fn new_run() -> RunId {
    RunId::new(jiff::Timestamp::now(), rand::random())
}

/// Returns the only one of these steps as the journal would hold it: whatever is done with it is done with that.
pub fn journaled<S: Serialize + DeserializeOwned>(mut steps: Vec<S>) -> S {
    assert_eq!(steps.len(), 1);
    serde_json::from_str(&serde_json::to_string(&steps.remove(0)).unwrap()).unwrap()
}

/// Sees that a preparation was refused because of another run: because of what that acts on, or because of what it did.
pub fn assert_names_the_other(error: &FaultError, claimed: &str) {
    assert!(matches!(error, FaultError::Preflight(_)), "{}", error.chain());
    let said = format!("{} | {}", error.chain(), error.hint().unwrap_or_default());
    let clash = format!("act on `{claimed}`: another run acts on it; its undo is `/");
    assert!(said.contains(&clash) || said.contains(&format!("another run acts on `{claimed}`")), "{said}");
}
