//! Connecting to real hosts: every way in, and every way it goes wrong, with one clear error each.
#![expect(clippy::unwrap_used, reason = "a test ends where something is off")]

mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chaos_core::target::NameKind;
use chaos_core::{Connector, FaultError, Target};
use chaos_server::{ServerConfig, ServerConnector, ServerTarget};
use serde_json::{Value, json};
use world::{TestHost, inventory};

/// Connects to the host as `what` says beside address, key and known hosts.
async fn connect(host: &TestHost, what: Value) -> Result<ServerTarget, FaultError> {
    let world = inventory().unwrap();
    let mut entry = json!({
        "host": host.host.address,
        "username": "root",
        "auth": { "type": "key", "private_key_path": world.keys.ed25519 },
        "known_hosts": world.known_hosts,
        "ssh_config": "none",
    });
    for (key, value) in what.as_object().unwrap() {
        entry[key] = value.clone();
    }
    connect_entry(entry).await
}

async fn connect_entry(entry: Value) -> Result<ServerTarget, FaultError> {
    let config: ServerConfig = serde_json::from_value(json!({ "hosts": [entry] })).unwrap();
    ServerConnector.connect(config).await
}

/// Says how connecting fails: message with causes, and the hint behind it.
async fn refused(host: &TestHost, what: Value) -> String {
    match connect(host, what).await {
        Ok(target) => format!("connected to {}", target.identity().label),
        Err(error) => format!("{}\n{}", error.chain(), error.hint().unwrap_or_default()),
    }
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[tokio::test]
async fn a_host_tells_who_it_is_and_what_it_can() {
    let Some(host) = TestHost::get("any").await else { return };
    let target = connect(&host, json!({ "name": "shop-1" })).await.unwrap();
    let (facts, identity) = (target.facts(), target.identity());
    assert_eq!(identity.label, format!("root@{}:22", host.host.address));
    assert_eq!(identity.fingerprint, host.sh("cat /etc/machine-id").await.trim());
    assert_has(&identity.product, &["Debian", "Linux"]);
    let names: Vec<_> = identity.names.iter().map(|name| (name.kind, name.name.clone())).collect();
    let address = host.host.address.to_string();
    let expected = ["shop-1", &address, &host.host.name].map(|name| (NameKind::Host, name.to_owned()));
    assert_eq!(names, expected);
    assert!(facts.is_root && facts.has_systemd && facts.is_lasting_writable);
    assert_eq!(facts.boot_id, host.boot_id().await);
    assert!(["systemctl", "nft", "stat", "flock"].iter().all(|tool| target.has(tool)), "{:?}", facts.tools);
    assert!(!target.has("nerdctl"));
    assert!(facts.run_free_kib.unwrap() > 1024);
}

#[tokio::test]
async fn the_way_we_came_is_seen_as_root_and_through_sudo() {
    let Some(host) = TestHost::get("any").await else { return };
    let gateway = inventory().unwrap().gateway.to_string();
    for what in [json!({}), json!({ "username": "chaos", "become": "sudo" })] {
        let target = connect(&host, what).await.unwrap();
        let peer = target.facts().peer.clone().unwrap();
        assert_eq!((peer.address, peer.port), (gateway.clone(), 22));
        assert!(!target.facts().own_units.is_empty());
    }
}

#[tokio::test]
async fn sudo_makes_root_with_a_password_and_without() {
    let Some(host) = TestHost::get("any").await else { return };
    let password = host.host.users["chaospw"].password.clone().unwrap();
    let login = json!({ "type": "password", "password": password });
    let plain = connect(&host, json!({ "username": "chaos" })).await.unwrap();
    assert!(!plain.facts().is_root);
    assert_eq!(plain.facts().user, "chaos");
    let nopasswd = connect(&host, json!({ "username": "chaos", "become": "sudo" })).await.unwrap();
    assert!(nopasswd.facts().is_root);
    let what = json!({ "username": "chaospw", "auth": login, "become": "sudo", "become_password": password });
    assert!(connect(&host, what).await.unwrap().facts().is_root);
    // A password that is not asked for must not become a line of the script.
    let spare =
        json!({ "username": "chaos", "become": "sudo", "become_password": "touch /tmp/run-as-a-line" });
    assert!(connect(&host, spare).await.unwrap().facts().is_root);
    assert!(!host.is_true("test -e /tmp/run-as-a-line").await);
}

#[tokio::test]
async fn sudo_that_does_not_let_us_is_one_clear_error() {
    let Some(host) = TestHost::get("any").await else { return };
    let become_sudo = |user: &str| json!({ "username": user, "become": "sudo" });
    let said = refused(&host, become_sudo("chaospw")).await;
    assert_has(
        &said,
        &["become root with `sudo` on `chaospw@", "asks for a password", "give `become_password`"],
    );
    let said = refused(&host, become_sudo("plain")).await;
    assert_has(&said, &["become root with `sudo` on `plain@"]);
    let wrong = json!({ "username": "chaospw", "become": "sudo", "become_password": "not this one" });
    let said = refused(&host, wrong).await;
    assert_has(&said, &["become root with `sudo` on `chaospw@", "the password is wrong"]);
    assert!(!said.contains("not this one"), "{said}");
}

#[tokio::test]
async fn every_kind_of_key_lets_us_in() {
    let Some(host) = TestHost::get("any").await else { return };
    let keys = inventory().unwrap().keys;
    let with = |path: &PathBuf| json!({ "type": "key", "private_key_path": path });
    let locked =
        json!({ "type": "key", "private_key_path": keys.with_passphrase, "passphrase": keys.passphrase });
    let certified = json!({
        "type": "certificate", "private_key_path": keys.certified, "certificate_path": keys.certificate,
    });
    for auth in [with(&keys.ecdsa), with(&keys.rsa), locked, certified] {
        let target = connect(&host, json!({ "auth": auth })).await;
        assert!(target.is_ok(), "{auth}: {}", target.err().unwrap().chain());
    }
}

#[tokio::test]
async fn an_agent_lets_us_in_with_the_key_that_is_named() {
    let Some(host) = TestHost::get("any").await else { return };
    let keys = inventory().unwrap().keys;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let mut agent = tokio::process::Command::new("ssh-agent");
    let agent = agent.arg("-D").arg("-a").arg(&socket).stdout(std::process::Stdio::null()).kill_on_drop(true);
    let _agent = agent.spawn().unwrap();
    world::wait_until("the agent is there", Duration::from_secs(10), async || socket.exists()).await;
    for key in [&keys.stranger, &keys.ed25519] {
        let mut add = tokio::process::Command::new("ssh-add");
        assert!(add.arg("-q").arg(key).env("SSH_AUTH_SOCK", &socket).status().await.unwrap().success());
    }
    let mut auth = json!({ "type": "agent", "socket": socket });
    assert!(connect(&host, json!({ "auth": auth })).await.is_ok());
    auth["fingerprint"] = fingerprint(&keys.ed25519).await.into();
    assert!(connect(&host, json!({ "auth": auth })).await.is_ok());
    auth["fingerprint"] = fingerprint(&keys.stranger).await.into();
    assert_has(&refused(&host, json!({ "auth": auth })).await, &["log in to `root@"]);
    let nobody = json!({ "auth": { "type": "agent", "socket": "/no/such/agent" } });
    assert_has(&refused(&host, nobody).await, &["/no/such/agent"]);
}

async fn fingerprint(key: &PathBuf) -> String {
    let output = tokio::process::Command::new("ssh-keygen").arg("-lf").arg(key).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').find(|word| word.starts_with("SHA256:")).unwrap().to_owned()
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_one_clear_error() {
    let Some(host) = TestHost::get("any").await else { return };
    let keys = inventory().unwrap().keys;
    let with = |path: &str| json!({ "auth": { "type": "key", "private_key_path": path } });
    let said = refused(&host, with(keys.stranger.to_str().unwrap())).await;
    assert_has(&said, &["log in to `root@", "refused"]);
    let said = refused(&host, with("/no/such/key")).await;
    assert_has(&said, &["/no/such/key"]);
    let said = refused(&host, with(keys.with_passphrase.to_str().unwrap())).await;
    assert_has(&said, &["passphrase"]);
    let said = refused(&host, json!({ "username": "nobody-such" })).await;
    assert_has(&said, &["log in to `nobody-such@"]);
}

#[tokio::test]
async fn a_host_that_is_not_known_or_not_the_pinned_one_is_refused() {
    let Some(host) = TestHost::get("any").await else { return };
    let empty = tempfile::NamedTempFile::new().unwrap();
    let said = refused(&host, json!({ "known_hosts": empty.path() })).await;
    assert_has(&said, &["SHA256:"]);
    let pinned = format!("SHA256:{}", "A".repeat(43));
    let said = refused(&host, json!({ "host_key": pinned })).await;
    assert_has(&said, &[&pinned]);
    let accepted = connect(&host, json!({ "known_hosts": empty.path(), "host_key": "accept_new" })).await;
    // Looking leaves no trace; what acts there keeps the key first.
    assert_eq!(std::fs::read_to_string(empty.path()).unwrap(), "");
    accepted.unwrap().host().settle().await.unwrap();
    assert!(connect(&host, json!({ "known_hosts": empty.path() })).await.is_ok());
}

#[tokio::test]
async fn nobody_there_is_told_at_once() {
    let Some(host) = TestHost::get("any").await else { return };
    let started = Instant::now();
    let error = connect(&host, json!({ "port": 1 })).await.err().unwrap();
    assert!(matches!(error, FaultError::Unreachable(_)), "{}", error.chain());
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    host.cut_network();
    let started = Instant::now();
    let error = connect(&host, json!({ "connect_timeout": "500ms" })).await.err().unwrap();
    assert!(matches!(error, FaultError::Unreachable(_)), "{}", error.chain());
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_login_shell_that_prints_noise_does_not_matter() {
    let Some(host) = TestHost::get("any").await else { return };
    let target = connect(&host, json!({ "username": "noisy" })).await.unwrap();
    assert_eq!(target.facts().hostname, host.host.name);
    let said = refused(&host, json!({ "username": "nologin" })).await;
    assert_has(&said, &["run a script", "nologin"]);
}

#[tokio::test]
async fn a_host_that_hangs_after_the_login_is_given_up() {
    let Some(host) = TestHost::get("any").await else { return };
    let started = Instant::now();
    let said = refused(&host, json!({ "username": "hang" })).await;
    assert_has(&said, &["run a script on `hang@", "within 20s"]);
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_host_with_busybox_only_gives_its_facts() {
    let Some(host) = TestHost::get("th3").await else { return };
    let target = connect(&host, json!({})).await.unwrap();
    let facts = target.facts();
    assert_eq!(facts.hostname, "th3");
    assert!(facts.is_root && !facts.has_systemd);
    assert_eq!(facts.boot_id, host.boot_id().await);
    assert_eq!(facts.peer.as_ref().unwrap().port, 22);
    assert!(facts.machine_id.len() >= 32, "{}", facts.machine_id);
    assert_eq!(connect(&host, json!({})).await.unwrap().facts().machine_id, facts.machine_id);
}

#[tokio::test]
async fn a_container_that_nobody_runs_is_missing_and_without_programs_it_is_an_error() {
    let Some(host) = TestHost::get("any").await else { return };
    // A recovery must get that far, to find out on the host what became of it.
    let target = connect(&host, json!({ "container": "no-such-1" })).await.unwrap();
    assert_has(target.container().unwrap().missing.as_deref().unwrap(), &["podman: "]);
    let Some(host) = TestHost::get("th3").await else { return };
    let said = refused(&host, json!({ "container": "no-such-1" })).await;
    assert_has(&said, &["none of these programs is there: docker podman nerdctl"]);
}

#[tokio::test]
async fn a_container_is_found_running_and_stopped() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("podman import -q /usr/lib/world/busybox.tar connect:1 2>/dev/null").await;
    let run = "podman run -d --name connect-1 --network none connect:1 sleep 600 2>/dev/null";
    let id = host.sh(run).await.trim().to_owned();
    let what = || json!({ "container": "connect-1" });
    let running = connect(&host, what()).await;
    host.sh("podman kill connect-1 >/dev/null && podman wait connect-1 >/dev/null").await;
    let stopped = connect(&host, what()).await;
    host.sh("podman rm -f connect-1 >/dev/null && podman rmi connect:1 >/dev/null").await;
    let machine = host.sh("cat /etc/machine-id").await.trim().to_owned();
    for target in [running.unwrap(), stopped.unwrap()] {
        let container = target.container().unwrap();
        assert_eq!((container.engine.as_str(), &container.id), ("podman", &id));
        assert_eq!(target.identity().fingerprint, format!("{machine}/connect-1"));
        assert_has(&target.identity().label, &["connect-1 on root@"]);
    }
}

#[tokio::test]
async fn this_machine_itself_needs_no_login() {
    let target = connect_entry(json!({ "host": "localhost", "connection": "local" })).await.unwrap();
    assert_eq!(target.identity().label, "localhost");
    assert_eq!(target.facts().peer, None);
}
