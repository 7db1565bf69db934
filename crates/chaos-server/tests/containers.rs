//! Containers on real hosts, under Podman and under Docker: killed, paused, stopped, and as they were afterwards.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use std::time::Duration;

use chaos_core::fault::RevertOutcome;
use chaos_core::{Fault, FaultError};
use chaos_server::faults::container_kill::ContainerKill;
use chaos_server::faults::container_pause::ContainerPause;
use chaos_server::faults::container_stop::ContainerStop;
use chaos_server::{OnHost, ServerTarget};
use serde_json::json;
use stage::{Setup, Stage};
use world::{TestHost, wait_until};

type Kill = Stage<OnHost<ContainerKill>>;
type Pause = Stage<OnHost<ContainerPause>>;
type Stop = Stage<OnHost<ContainerStop>>;

const ENGINES: [&str; 2] = ["podman", "docker"];
const NAME: &str = "shop-db-1";
const SOON: Duration = Duration::from_secs(30);
/// Counts as long as it lives, always with the same processes.
const COUNTS: &str = "sh -c 'sleep 999999 | while :; do echo x >>/tmp/n; read -t 0.2 _; done'";

/// Starts the engine and one container. What is behind the name of the image runs in it.
async fn with_container(engine: &str, options: &str, command: &str) -> Option<TestHost> {
    let host = TestHost::get("any").await?;
    clean(&host).await;
    if engine != "podman" {
        host.sh("systemctl start docker").await;
    }
    let import = |engine| {
        format!("{engine} import /usr/lib/world/busybox.tar localhost/world/busybox:1 >/dev/null 2>&1")
    };
    match engine {
        // It reads only what another one has written.
        "nerdctl" => {
            // An overlay is mounted with other words when its container starts again.
            let load = "mkdir -p /etc/nerdctl; echo 'snapshotter = \"native\"' >/etc/nerdctl/nerdctl.toml
                docker save localhost/world/busybox:1 -o /tmp/image.tar && nerdctl load -i /tmp/image.tar >/dev/null; rm /tmp/image.tar";
            host.sh(&format!("{}; {load}", import("docker"))).await;
        }
        engine => {
            host.sh(&import(engine)).await;
        }
    }
    host.sh(&run(engine, options, command)).await;
    if engine == "nerdctl" {
        // With a policy it is containerd that starts it, a little later.
        wait_until("it runs", SOON, async || status(&host, engine).await == "running").await;
    }
    Some(host)
}

fn run(engine: &str, options: &str, command: &str) -> String {
    format!(
        "{engine} run -d --name {NAME} --network none {options} localhost/world/busybox:1 {command} </dev/null"
    )
}

/// Removes what a test made, and what one that failed has left.
async fn clean(host: &TestHost) {
    host.sh("systemctl disable -q docker.service containerd.service 2>/dev/null
        podman rm -f -t 0 -a >/dev/null 2>&1
        if systemctl is-active -q docker; then docker ps -aq | xargs -r docker rm -f >/dev/null; fi
        if command -v nerdctl && systemctl start containerd; then nerdctl ps -aq | xargs -r nerdctl rm -f; nerdctl images -q | xargs -r nerdctl rmi -f; fi >/dev/null 2>&1
        rm -rf /var/lib/nerdctl /etc/nerdctl
        systemctl stop docker.service docker.socket containerd.service; systemctl reset-failed; true")
        .await;
}

async fn on<F: Fault<Target = ServerTarget> + Default>(
    host: TestHost,
    engine: &'static str,
    setup: Setup,
) -> Stage<F> {
    Stage::on(host, Setup { container: Some((engine, NAME)), ..setup }).await
}

fn short() -> Setup {
    Setup { hold: Duration::ZERO, margin: Some("4s"), ..Setup::default() }
}

async fn ask(host: &TestHost, engine: &str, what: &str) -> String {
    host.sh(&format!("{engine} container inspect --format '{what}' {NAME}")).await.trim().to_owned()
}

async fn status(host: &TestHost, engine: &str) -> String {
    ask(host, engine, "{{.State.Status}}").await
}

/// What tells one life of the container from another.
async fn started(host: &TestHost, engine: &str) -> String {
    // nerdctl says of a start only which process it made.
    let what = if engine == "nerdctl" { "{{.State.Pid}}" } else { "{{.State.StartedAt}}" };
    ask(host, engine, what).await
}

/// Nothing of the container runs in a unit of ours: it would end with that unit.
async fn assert_on_its_own(host: &TestHost, id: &str) {
    assert!(!host.is_true(&format!("cat /proc/[0-9]*/cgroup 2>/dev/null | grep '{id}'")).await);
}

/// Whether there is a process of this number that is not dead already.
async fn is_alive(host: &TestHost, pid: &str) -> bool {
    host.is_true(&format!("grep -q '^State:.[^ZX]' /proc/{pid}/status")).await
}

/// Whether it goes on counting.
async fn counts(host: &TestHost, engine: &str) -> bool {
    let pid = ask(host, engine, "{{.State.Pid}}").await;
    let file = format!("/proc/{pid}/root/tmp/n");
    // Ten times as long as it takes from one count to the next.
    let grows = "a=$(wc -c <\"$0\") || exit 1; for i in 1 2 3 4 5 6 7 8 9 10; do \
        sleep 0.2; [ \"$(wc -c <\"$0\")\" = \"$a\" ] || exit 0; done; exit 1";
    host.is_true(&format!("sh -c '{grows}' {file}")).await
}

#[tokio::test]
async fn a_paused_container_does_nothing_and_then_goes_on() {
    for (engine, user) in [("podman", "root"), ("docker", "root"), ("docker", "chaos")] {
        is_paused_and_goes_on(engine, user).await;
    }
}

async fn is_paused_and_goes_on(engine: &'static str, user: &'static str) {
    let Some(host) = with_container(engine, "", COUNTS).await else { return };
    let stage: Pause = on(host, engine, Setup { user, ..Setup::default() }).await;
    let life = started(&stage.host, engine).await;
    let step = stage.step(json!({})).await;
    stage.host.assert_same(&stage.before).await;
    assert_eq!(step.to_string(), format!("pause the container `{NAME}` ({engine})"));
    let (session, _) = stage.act(&step).await;
    assert_eq!(status(&stage.host, engine).await, "paused");
    assert!(!counts(&stage.host, engine).await);
    stage.finish(session).await.unwrap();
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.outcome, RevertOutcome::Restored);
    assert!(reverted.conflicts.is_empty() && reverted.notes.is_empty(), "{reverted:?}");
    assert!(counts(&stage.host, engine).await);
    assert_eq!(started(&stage.host, engine).await, life);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
    clean(&stage.host).await;
}

#[tokio::test]
async fn a_stopped_container_stays_stopped_and_then_runs_again() {
    for (engine, policy) in
        [("podman", "no"), ("podman", "always"), ("docker", "no"), ("docker", "unless-stopped")]
    {
        is_stopped_and_runs_again(engine, policy).await;
    }
}

async fn is_stopped_and_runs_again(engine: &'static str, policy: &str) {
    let Some(host) = with_container(engine, &format!("--restart={policy}"), COUNTS).await else { return };
    let stage: Stop = on(host, engine, Setup::default()).await;
    let step = stage.step(json!({ "grace_seconds": 0 })).await;
    stage.host.assert_same(&stage.before).await;
    let (session, _) = stage.act(&step).await;
    assert_eq!(status(&stage.host, engine).await, "exited");
    stage.finish(session).await.unwrap();
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.outcome, RevertOutcome::Restored, "{reverted:?}");
    assert!(counts(&stage.host, engine).await);
    assert_on_its_own(&stage.host, &step.rope.id).await;
    stage.end(&step).await;
    clean(&stage.host).await;
}

#[tokio::test]
async fn a_killed_container_comes_back_by_its_policy_or_by_us() {
    for (engine, policy) in
        [("podman", "no"), ("podman", "always"), ("docker", "no"), ("docker", "unless-stopped")]
    {
        is_killed_and_comes_back(engine, policy).await;
    }
}

async fn is_killed_and_comes_back(engine: &'static str, policy: &str) {
    let Some(host) = with_container(engine, &format!("--restart={policy}"), COUNTS).await else { return };
    let stage: Kill = on(host, engine, Setup::default()).await;
    let life = started(&stage.host, engine).await;
    let pid = ask(&stage.host, engine, "{{.State.Pid}}").await;
    assert!(is_alive(&stage.host, &pid).await);
    let step = stage.step(json!({})).await;
    stage.host.assert_same(&stage.before).await;
    let (session, _) = stage.act(&step).await;
    // What the engine says of it meanwhile is a matter of the moment.
    assert!(!is_alive(&stage.host, &pid).await);
    stage.finish(session).await.unwrap();
    if policy != "no" {
        let lives_again = async || {
            started(&stage.host, engine).await != life && status(&stage.host, engine).await == "running"
        };
        wait_until("its policy starts it again", SOON, lives_again).await;
    }
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.outcome, RevertOutcome::Restored, "{reverted:?}");
    assert_eq!(reverted.notes.len(), usize::from(policy != "no"), "{engine} {policy}: {reverted:?}");
    assert!(counts(&stage.host, engine).await);
    assert_ne!(started(&stage.host, engine).await, life);
    stage.end(&step).await;
    clean(&stage.host).await;
}

#[tokio::test]
async fn a_signal_that_the_container_does_not_heed_is_no_success() {
    let Some(host) = with_container("podman", "", COUNTS).await else { return };
    let stage: Kill = on(host, "podman", Setup::default()).await;
    let step = stage.step(json!({ "signal": "SIGHUP" })).await;
    let (session, effect) = stage.try_act(&step).await;
    let said = effect.unwrap_err().chain();
    assert!(said.contains("it handles that signal, or ignores it"), "{said}");
    drop(session);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::NothingToDo);
    assert!(counts(&stage.host, "podman").await);
    stage.end(&step).await;
    clean(&stage.host).await;
}

#[tokio::test]
async fn the_deadline_alone_brings_a_container_back() {
    for engine in ENGINES {
        comes_back_by_the_deadline(engine).await;
    }
}

async fn comes_back_by_the_deadline(engine: &'static str) {
    let Some(host) = with_container(engine, "", COUNTS).await else { return };
    let stage: Stop = on(host, engine, short()).await;
    let step = stage.step(json!({ "grace_seconds": 0 })).await;
    let (session, _) = stage.act(&step).await;
    drop(session);
    let done = format!("grep -q by=deadline {}/done", step.rope.dir);
    wait_until("the deadline starts it", SOON, async || stage.host.is_true(&done).await).await;
    assert!(counts(&stage.host, engine).await);
    assert_on_its_own(&stage.host, &step.rope.id).await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;

    let stage: Pause = on(stage.host, engine, short()).await;
    let step = stage.step(json!({})).await;
    let (session, _) = stage.act(&step).await;
    drop(session);
    let done = format!("grep -q by=deadline {}/done", step.rope.dir);
    wait_until("the deadline lets it go on", SOON, async || stage.host.is_true(&done).await).await;
    assert!(counts(&stage.host, engine).await);
    stage.end(&step).await;
    clean(&stage.host).await;
}

#[tokio::test]
async fn a_container_that_would_stay_stopped_over_a_reboot_runs_after_it() {
    for (policy, runs) in [("unless-stopped", true), ("always", true), ("no", false)] {
        let Some(host) = with_container("docker", &format!("--restart={policy}"), COUNTS).await else {
            return;
        };
        host.sh("systemctl enable -q docker.service containerd.service").await;
        let mut stage: Stop = on(host, "docker", Setup::default()).await;
        let step = stage.step(json!({ "grace_seconds": 0 })).await;
        let (session, _) = stage.act(&step).await;
        drop(session);
        stage.host.reboot_and_wait().await;
        let done = format!("grep -q by=boot {}/done", step.rope.dir);
        wait_until("the undo at boot is done", SOON, async || stage.host.is_true(&done).await).await;
        assert_eq!(status(&stage.host, "docker").await == "running", runs, "{policy}");
        stage.connect_again().await;
        let reverted = stage.revert(&step).await;
        assert_eq!(reverted.outcome, RevertOutcome::AlreadyUndone, "{policy}: {reverted:?}");
        assert!(reverted.conflicts.is_empty(), "{policy}: {reverted:?}");
        stage.disarm(&step).await;
        let id = &step.rope.id;
        assert!(!stage.host.is_true(&format!("find /etc /var/lib /run -xdev -name '*{id}*' | grep .")).await);
        assert!(
            !stage.host.is_true(&format!("systemctl list-units --all '{id}*' --no-legend | grep .")).await
        );
        clean(&stage.host).await;
    }
}

#[tokio::test]
async fn a_reboot_ends_a_pause_and_a_kill_as_it_would_have_without_us() {
    let Some(host) = with_container("docker", "--restart=unless-stopped", COUNTS).await else { return };
    host.sh("systemctl enable -q docker.service containerd.service").await;
    let mut stage: Pause = on(host, "docker", Setup::default()).await;
    let step = stage.step(json!({})).await;
    let (session, _) = stage.act(&step).await;
    drop(session);
    stage.host.reboot_and_wait().await;
    assert!(counts(&stage.host, "docker").await);
    stage.connect_again().await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.disarm(&step).await;

    let mut stage: Kill = on(stage.host, "docker", Setup::default()).await;
    let step = stage.step(json!({})).await;
    let (session, _) = stage.act(&step).await;
    drop(session);
    stage.host.reboot_and_wait().await;
    assert!(counts(&stage.host, "docker").await);
    stage.connect_again().await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.disarm(&step).await;
    clean(&stage.host).await;
}

#[tokio::test]
async fn a_container_made_anew_is_somebody_elses() {
    for engine in ENGINES {
        let Some(host) = with_container(engine, "", COUNTS).await else { return };
        let stage: Stop = on(host, engine, Setup::default()).await;
        let step = stage.step(json!({ "grace_seconds": 0 })).await;
        let (session, _) = stage.act(&step).await;
        stage
            .host
            .sh(&format!("{engine} rm -f {NAME}; {}; {engine} stop -t 0 {NAME}", run(engine, "", COUNTS)))
            .await;
        assert!(stage.finish(session).await.is_err());
        let reverted = stage.revert(&step).await;
        assert!(reverted.conflicts[0].found.contains("made anew by somebody else"), "{reverted:?}");
        assert_eq!(status(&stage.host, engine).await, "exited");
        stage.disarm(&step).await;

        stage.host.sh(&format!("{engine} start {NAME}")).await;
        let stage: Pause = on(stage.host, engine, Setup::default()).await;
        let step = stage.step(json!({})).await;
        let (session, _) = stage.act(&step).await;
        stage.host.sh(&format!("{engine} rm -f {NAME}")).await;
        assert!(stage.finish(session).await.is_err());
        let reverted = stage.revert(&step).await;
        assert_eq!(reverted.conflicts[0].what, format!("container `{NAME}` ({engine})"));
        assert!(reverted.conflicts[0].found.contains("removed by somebody else"), "{reverted:?}");
        stage.disarm(&step).await;
        clean(&stage.host).await;
    }
}

#[tokio::test]
async fn what_others_did_to_the_container_is_left_alone() {
    let Some(host) = with_container("podman", "", COUNTS).await else { return };
    let stage: Stop = on(host, "podman", Setup::default()).await;
    let step = stage.step(json!({ "grace_seconds": 0 })).await;
    // Stopped by somebody between plan and inject: there is nothing to do, and nothing to undo.
    stage.host.sh(&format!("podman stop -t 0 {NAME}")).await;
    let (session, effect) = stage.try_act(&step).await;
    assert!(effect.unwrap_err().chain().contains("does not run any more"));
    drop(session);
    let reverted = stage.try_revert(&step, false).await.unwrap();
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::NothingToDo, 0), "{reverted:?}");
    assert_eq!(status(&stage.host, "podman").await, "exited");
    stage.disarm(&step).await;

    // Unpaused by somebody during the hold.
    stage.host.sh(&format!("podman start {NAME}")).await;
    let stage: Pause = on(stage.host, "podman", Setup::default()).await;
    let step = stage.step(json!({})).await;
    let (session, _) = stage.act(&step).await;
    stage.host.sh(&format!("podman unpause {NAME}")).await;
    let error = stage.finish(session).await.unwrap_err();
    assert!(error.chain().contains("somebody else ended the pause"), "{}", error.chain());
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.outcome, RevertOutcome::NothingToDo);
    assert!(reverted.notes[0].contains("nothing of the effect was there any more"), "{reverted:?}");
    stage.end(&step).await;

    // Another life of it.
    let step = stage.step(json!({})).await;
    stage.host.sh(&format!("podman restart -t 0 {NAME}")).await;
    let (session, effect) = stage.try_act(&step).await;
    assert!(effect.unwrap_err().chain().contains("started anew meanwhile"));
    drop(session);
    assert_eq!(stage.try_revert(&step, false).await.unwrap().outcome, RevertOutcome::NothingToDo);
    stage.disarm(&step).await;
    clean(&stage.host).await;
}

#[tokio::test]
async fn a_container_with_a_health_check_is_waited_for_until_it_is_healthy() {
    for engine in ENGINES {
        let options = "--health-cmd 'test -e /tmp/ok' --health-interval 1s --health-start-period 1s";
        let command = "sh -c 'sleep 3; touch /tmp/ok; while :; do echo x >>/tmp/n; sleep 0.1; done'";
        let Some(host) = with_container(engine, options, command).await else { return };
        const HEALTH: &str = "{{.State.Health.Status}}";
        wait_until("it is healthy", SOON, async || ask(&host, engine, HEALTH).await == "healthy").await;
        let stage: Stop = on(host, engine, Setup::default()).await;
        let step = stage.step(json!({ "grace_seconds": 0 })).await;
        let (session, _) = stage.act(&step).await;
        drop(session);
        stage.host.sh(&format!("{engine} start {NAME}; rm -f /tmp/none; {engine} stop -t 0 {NAME}")).await;
        assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
        assert_eq!(ask(&stage.host, engine, HEALTH).await, "healthy");
        stage.disarm(&step).await;
        clean(&stage.host).await;
    }
}

#[tokio::test]
async fn what_could_not_be_brought_back_is_refused() {
    let Some(host) = with_container("podman", "--rm", COUNTS).await else { return };
    let stage: Stop = on(host, "podman", Setup::default()).await;
    let said = stage.prepare(json!({})).await.unwrap_err().chain();
    assert!(said.contains("it was started with `--rm`"), "{said}");
    let stage: Kill = on(stage.host, "podman", Setup::default()).await;
    assert!(stage.prepare(json!({})).await.is_err());
    let said = stage.prepare(json!({ "signal": "STOP" })).await.unwrap_err();
    assert!(matches!(said, FaultError::Params(_)));

    clean(&stage.host).await;
    stage.host.sh(&run("podman", "--cgroups=disabled", COUNTS)).await;
    let stage: Stop = on(stage.host, "podman", Setup::default()).await;
    let said = stage.prepare(json!({})).await.unwrap_err().chain();
    assert!(said.contains("without a control group of its own"), "{said}");

    clean(&stage.host).await;
    stage.host.sh(&run("podman", "", COUNTS)).await;
    stage.host.sh(&format!("podman pause {NAME}")).await;
    let stage: Pause = on(stage.host, "podman", Setup::default()).await;
    let said = stage.prepare(json!({})).await.unwrap_err().chain();
    assert!(said.contains("which is `paused`"), "{said}");
    let said = stage.prepare(json!({ "name": "other" })).await.unwrap_err().chain();
    assert!(said.contains("unknown field `name`"), "{said}");
    let stage: Pause = on(stage.host, "podman", Setup { filters: vec!["^web$"], ..Setup::default() }).await;
    let said = stage.prepare(json!({})).await.unwrap_err().chain();
    assert!(said.contains("no `resource_filters` allow it"), "{said}");
    clean(&stage.host).await;

    let stage = Pause::on(stage.host, Setup::default()).await;
    let said = stage.prepare(json!({})).await.unwrap_err().chain();
    assert!(said.contains("which is a host"), "{said}");
}

#[tokio::test]
async fn two_runs_that_begin_at_once_do_not_both_have_a_container() {
    async fn check<F: Fault<Target = ServerTarget> + Default>() {
        let Some(host) = with_container("podman", "", COUNTS).await else { return };
        let mut stage: Stage<F> = on(host, "podman", Setup::default()).await;
        stage.refuses_a_second_run(json!({}), &format!("container {NAME}")).await;
        clean(&stage.host).await;
    }
    check::<OnHost<ContainerPause>>().await;
    check::<OnHost<ContainerStop>>().await;
    check::<OnHost<ContainerKill>>().await;
}

#[tokio::test]
#[ignore = "nerdctl is no package of Debian: put it into /usr/local/bin of the hosts"]
async fn nerdctl_is_asked_in_its_own_words() {
    is_paused_and_goes_on("nerdctl", "root").await;
    is_stopped_and_runs_again("nerdctl", "no").await;
    comes_back_by_the_deadline("nerdctl").await;
    for policy in ["no", "always"] {
        is_killed_and_comes_back("nerdctl", policy).await;
    }
}
