//! Plans with any fault of the listing, as the engine does: by its name and without its types. Nothing is ever injected here.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "every test file uses its own part; a test ends where something is off"
)]

use std::time::Duration;

use chaos_core::context::ResourceFilter;
use chaos_core::erased::PreparedStep;
use chaos_core::{Connector, FaultError, PrepareContext, RunId};
use chaos_server::{ServerConnector, ServerTarget};
use serde_json::{Value, json};

use crate::world::{TestHost, inventory};

/// Connects to a host as `entry` says beside its address, the key and the known hosts.
pub async fn connect(host: &TestHost, entry: Value) -> Result<ServerTarget, FaultError> {
    let world = inventory().unwrap();
    let mut config = json!({
        "host": host.host.address, "username": "root", "known_hosts": world.known_hosts, "ssh_config": "none",
        "auth": { "type": "key", "private_key_path": world.keys.ed25519 },
    });
    for (key, value) in entry.as_object().unwrap() {
        config[key] = value.clone();
    }
    ServerConnector.connect(serde_json::from_value(json!({ "hosts": [config] })).unwrap()).await
}

/// Connects as root.
pub async fn as_root(host: &TestHost) -> ServerTarget {
    connect(host, json!({})).await.unwrap_or_else(|error| panic!("{}", error.chain()))
}

/// The names of all faults.
pub fn faults() -> Vec<&'static str> {
    chaos_server::faults::all().iter().map(|fault| fault.spec().name).collect()
}

/// Prepares a fault with parameters as people write them.
pub async fn plan(name: &str, target: &ServerTarget, params: Value) -> Result<Vec<PreparedStep>, FaultError> {
    let all = chaos_server::faults::all();
    let fault = all.iter().find(|fault| fault.spec().name == name);
    let cx = PrepareContext {
        run: RunId::new(jiff::Timestamp::now(), rand::random()),
        use_number: 1,
        seed: 7,
        hold: Duration::from_secs(60),
        filter: ResourceFilter::new(Vec::new()),
    };
    fault.unwrap_or_else(|| panic!("there is no `{name}`")).prepare(&cx, target, params).await
}
