//! `server.service_stop` on a real host: what stops, what stays stopped, what comes back.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use chaos_core::fault::RevertOutcome;
use chaos_server::OnHost;
use chaos_server::faults::service_stop::ServiceStop;
use serde_json::json;
use stage::{Setup, Stage};
use world::{TestHost, wait_until};

type Services = Stage<OnHost<ServiceStop>>;

async fn is_active(host: &TestHost, unit: &str) -> bool {
    host.is_true(&format!("systemctl is-active -q {unit}")).await
}

/// Asserts which of these units run.
async fn assert_active(host: &TestHost, expected: &[(&str, bool)]) {
    for (unit, is_expected) in expected {
        assert_eq!(is_active(host, unit).await, *is_expected, "{unit}");
    }
}

#[tokio::test]
async fn a_named_service_stops_and_its_port_closes_until_it_is_undone() {
    let Some(stage) = Services::get("any").await else { return };
    let step = stage.step(json!({"services": ["nginx"]})).await;
    stage.host.assert_same(&stage.before).await;
    let (session, effect) = stage.act(&step).await;
    assert_eq!(effect.0["units_stopped"], json!(1));
    assert!(tokio::net::TcpStream::connect((stage.host.host.address, 80)).await.is_err());
    let measured = stage.finish(session).await.unwrap().unwrap();
    assert_eq!(measured.0["units_stopped"], json!(1));
    let reverted = stage.revert(&step).await;
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::Restored, 0));
    assert!(tokio::net::TcpStream::connect((stage.host.host.address, 80)).await.is_ok());
    stage.end(&step).await;
}

#[tokio::test]
async fn a_login_without_root_stops_services_through_sudo() {
    let Some(stage) = Services::with("any", Setup { user: "chaos", ..Setup::default() }).await else {
        return;
    };
    let step = stage.step(json!({"services": ["nginx.service"]})).await;
    let _session = stage.act(&step).await;
    assert_active(&stage.host, &[("nginx", false)]).await;
    stage.revert(&step).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn a_service_stays_stopped_against_restart_and_against_people() {
    let Some(stage) = Services::get("any").await else { return };
    let step = stage.step(json!({"services": ["app-restarting"]})).await;
    let (session, _) = stage.act(&step).await;
    stage.host.sh("systemctl start app-restarting; systemctl restart app-restarting; sleep 1.5").await;
    assert_active(&stage.host, &[("app-restarting", false)]).await;
    stage.finish(session).await.unwrap();
    stage.revert(&step).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn a_service_is_not_started_again_by_its_socket() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("systemctl start app-socket.service").await;
    let stage = Services::on(host, Setup::default()).await;
    let step = stage.step(json!({"services": ["app-socket"]})).await;
    assert!(step.to_string().contains("would start it again: `app-socket.socket`"), "{step}");
    let (session, _) = stage.act(&step).await;
    assert!(tokio::net::TcpStream::connect((stage.host.host.address, 7007)).await.is_err());
    // Somebody starts the socket again, and knocks.
    stage.host.try_sh("systemctl start app-socket.socket; echo | nc -w 1 127.0.0.1 7007").await;
    assert_active(&stage.host, &[("app-socket.service", false), ("app-socket.socket", false)]).await;
    stage.finish(session).await.unwrap();
    stage.revert(&step).await;
    assert_active(&stage.host, &[("app-socket.service", true), ("app-socket.socket", true)]).await;
    stage.end(&step).await;
    stage.host.sh("systemctl stop app-socket.service").await;
}

#[tokio::test]
async fn what_stops_with_a_service_is_in_the_plan_and_comes_back_with_it() {
    let Some(stage) = Services::get("any").await else { return };
    let step = stage.step(json!({"services": ["app-base"]})).await;
    let line = step.to_string();
    assert!(line.contains("2 more stop with it: `app-needs.service`, `app-part.service`"), "{line}");
    assert_eq!(stage.facts(&step).names.len(), 3);
    let (session, effect) = stage.act(&step).await;
    assert_eq!(effect.0["units_stopped"], json!(3));
    assert_active(&stage.host, &[("app-base", false), ("app-needs", false), ("app-part", false)]).await;
    stage.finish(session).await.unwrap();
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.effect.0["restored"], json!(3));
    stage.end(&step).await;
}

#[tokio::test]
async fn what_a_service_wants_is_not_started_when_it_did_not_run_before() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("systemctl stop app-unlisted").await;
    let stage = Services::on(host, Setup::default()).await;
    let step = stage.step(json!({"services": ["app-base"]})).await;
    let _session = stage.act(&step).await;
    stage.revert(&step).await;
    assert_active(&stage.host, &[("app-base", true), ("app-unlisted", false)]).await;
    stage.end(&step).await;
    stage.host.sh("systemctl start app-unlisted").await;
}

#[tokio::test]
async fn a_disabled_service_that_ran_runs_again_and_stays_disabled() {
    let Some(stage) = Services::get("any").await else { return };
    let step = stage.step(json!({"services": ["app-unlisted"]})).await;
    assert!(stage.facts(&step).undo.contains("does not start at boot"), "{}", stage.facts(&step).undo);
    let _session = stage.act(&step).await;
    assert_active(&stage.host, &[("app-unlisted", false)]).await;
    stage.revert(&step).await;
    assert!(stage.host.try_sh("systemctl is-enabled app-unlisted").await.stdout.contains("disabled"));
    stage.end(&step).await;
}

#[tokio::test]
async fn a_service_that_is_slow_to_stop_is_waited_for() {
    let Some(stage) = Services::get("any").await else { return };
    let step = stage.step(json!({"services": ["app-slow-stop"]})).await;
    let (session, _) = stage.act(&step).await;
    assert_active(&stage.host, &[("app-slow-stop", false)]).await;
    stage.finish(session).await.unwrap();
    stage.revert(&step).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn an_undo_while_the_service_still_stops_brings_it_back() {
    let Some(stage) = Services::get("any").await else { return };
    let step = stage.step(json!({"services": ["app-slow-stop"]})).await;
    let (_session, _) = {
        let acting = stage.try_act(&step);
        let stopping = async {
            let is_stopping = "[ \"$(systemctl is-active app-slow-stop)\" = deactivating ]";
            wait_until("it stops", std::time::Duration::from_secs(20), async || {
                stage.host.is_true(is_stopping).await
            })
            .await;
            stage.revert(&step).await
        };
        tokio::join!(acting, stopping)
    };
    assert_active(&stage.host, &[("app-slow-stop", true)]).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn an_undo_without_an_inject_and_a_second_one_do_nothing() {
    let Some(stage) = Services::get("any").await else { return };
    let step = stage.step(json!({"services": ["nginx"]})).await;
    assert_eq!(stage.try_revert(&step, false).await.unwrap().outcome, RevertOutcome::NothingToDo);
    stage.end(&step).await;
    let step = stage.step(json!({"services": ["nginx"]})).await;
    let _session = stage.act(&step).await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    stage.revert(&step).await;
    stage.disarm(&step).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn a_service_that_somebody_stopped_before_the_inject_stays_stopped() {
    let Some(stage) = Services::get("any").await else { return };
    let step = stage.step(json!({"services": ["nginx"]})).await;
    stage.host.sh("systemctl stop nginx").await;
    let (session, effect) = stage.try_act(&step).await;
    let error = effect.unwrap_err().chain();
    assert!(
        error.contains("nginx.service was active when the plan was made, and is not any more"),
        "{error}"
    );
    drop(session);
    let reverted = stage.try_revert(&step, false).await.unwrap();
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::NothingToDo, 0), "{reverted:?}");
    assert_active(&stage.host, &[("nginx", false)]).await;
    stage.host.sh("systemctl start nginx").await;
    stage.end(&step).await;
}

#[tokio::test]
async fn the_deadline_alone_starts_the_service_again() {
    let setup = Setup { hold: std::time::Duration::ZERO, margin: Some("2s"), ..Setup::default() };
    let Some(stage) = Services::with("any", setup).await else { return };
    let step = stage.step(json!({"services": ["app-base"]})).await;
    let (session, _) = stage.act(&step).await;
    assert_active(&stage.host, &[("app-base", false)]).await;
    // Without us nobody moves the deadline on.
    drop(session);
    let done = format!("[ -e {}/done ]", step.rope.dir);
    wait_until("the deadline comes", std::time::Duration::from_secs(30), async || {
        stage.host.is_true(&done).await
    })
    .await;
    assert_active(&stage.host, &[("app-base", true), ("app-needs", true), ("app-part", true)]).await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_reboot_takes_the_stop_with_it() {
    let Some(mut stage) = Services::rebooted("any").await else { return };
    let step = stage.step(json!({"services": ["nginx"]})).await;
    let (session, _) = stage.act(&step).await;
    drop(session);
    stage.host.reboot_and_wait().await;
    assert_active(&stage.host, &[("nginx", true)]).await;
    stage.connect_again().await;
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.outcome, RevertOutcome::AlreadyUndone, "{reverted:?}");
    stage.end(&step).await;
}

#[tokio::test]
async fn a_service_that_somebody_masked_meanwhile_is_a_conflict_and_stays_stopped() {
    let Some(stage) = Services::get("any").await else { return };
    let step = stage.step(json!({"services": ["nginx"]})).await;
    let _session = stage.act(&step).await;
    stage.host.sh("systemctl mask nginx").await;
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.conflicts[0].what, "unit `nginx.service`");
    assert!(reverted.conflicts[0].found.contains("masked"), "{reverted:?}");
    assert_active(&stage.host, &[("nginx", false)]).await;
    stage.disarm(&step).await;
    stage.host.sh("systemctl unmask nginx; systemctl start nginx").await;
    stage.host.assert_same(&stage.before).await;
}

#[tokio::test]
async fn a_service_that_somebody_disabled_meanwhile_is_a_conflict_and_stays_stopped() {
    let Some(stage) = Services::get("any").await else { return };
    let step = stage.step(json!({"services": ["app-workers"]})).await;
    let _session = stage.act(&step).await;
    stage.host.sh("systemctl -q disable app-workers").await;
    let reverted = stage.revert(&step).await;
    assert!(reverted.conflicts[0].found.contains("disabled meanwhile"), "{reverted:?}");
    stage.disarm(&step).await;
    stage.host.sh("systemctl -q enable --now app-workers").await;
    stage.host.assert_same(&stage.before).await;
}

#[tokio::test]
async fn a_service_that_somebody_let_run_again_is_left_alone() {
    let Some(stage) = Services::get("any").await else { return };
    let step = stage.step(json!({"services": ["nginx"]})).await;
    let (session, _) = stage.act(&step).await;
    stage
        .host
        .sh("rm -r /run/systemd/system/nginx.service.d; systemctl daemon-reload; systemctl start nginx")
        .await;
    let pid = stage.host.sh("systemctl show -p MainPID nginx").await;
    let ended = stage.finish(session).await.unwrap_err();
    assert!(ended.chain().contains("nginx.service runs, although it was stopped"), "{}", ended.chain());
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.outcome, RevertOutcome::NothingToDo);
    assert!(reverted.notes[0].contains("nothing of the effect was there any more"), "{reverted:?}");
    assert_eq!(stage.host.sh("systemctl show -p MainPID nginx").await, pid);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_drop_in_folder_of_somebody_else_stays() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("mkdir -p /run/systemd/system/nginx.service.d").await;
    let stage = Services::on(host, Setup::default()).await;
    let step = stage.step(json!({"services": ["nginx"]})).await;
    let _session = stage.act(&step).await;
    stage.revert(&step).await;
    stage.end(&step).await;
    stage.host.sh("rmdir /run/systemd/system/nginx.service.d").await;
}

#[tokio::test]
async fn a_service_that_does_not_start_again_is_an_error_until_it_does() {
    let Some(host) = TestHost::get("any").await else { return };
    let unit = "[Service]\\nExecStartPre=/usr/bin/test ! -e /run/flaky\\nExecStart=/bin/sleep infinity\\n";
    host.sh(&format!("printf '{unit}' >/etc/systemd/system/app-flaky.service; systemctl daemon-reload; systemctl start app-flaky"))
        .await;
    let stage = Services::on(host, Setup::default()).await;
    let step = stage.step(json!({"services": ["app-flaky"]})).await;
    let _session = stage.act(&step).await;
    stage.host.sh("touch /run/flaky").await;
    let error = stage.try_revert(&step, true).await.unwrap_err();
    assert!(error.is_transient(), "{}", error.chain());
    stage.host.sh("rm /run/flaky").await;
    stage.revert(&step).await;
    assert_active(&stage.host, &[("app-flaky", true)]).await;
    stage.end(&step).await;
    stage
        .host
        .sh("systemctl stop app-flaky; rm /etc/systemd/system/app-flaky.service; systemctl daemon-reload")
        .await;
}

#[tokio::test]
async fn two_runs_that_begin_at_once_do_not_both_stop_a_service() {
    let Some(mut stage) = Services::get("any").await else { return };
    stage.refuses_a_second_run(json!({"services": ["nginx"]}), "unit nginx.service").await;
}
