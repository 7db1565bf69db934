//! `server.reboot` on a real host: it goes, it comes back, and what ran runs.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use chaos_core::fault::RevertOutcome;
use chaos_server::faults::reboot::Reboot;
use serde_json::json;
use stage::{Setup, Stage};
use world::TestHost;

type Reboots = Stage<Reboot>;

#[tokio::test]
async fn a_host_comes_back_and_its_services_with_it() {
    let Some(stage) = Reboots::rebooted("any").await else { return };
    let boot = stage.host.boot_id().await;
    let step = stage.step(json!({"come_back_within": "90s"})).await;
    assert!(step.to_string().contains("what lives in memory only"), "{step}");
    let (session, effect) = stage.act(&step).await;
    assert_ne!(stage.host.boot_id().await, boot);
    assert!(effect.0["back_ms"].as_u64().unwrap() < 90_000, "{effect:?}");
    stage.finish(session).await.unwrap();
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_service_that_only_a_person_had_started_is_started_again() {
    let Some(host) = TestHost::get("any").await else { return };
    host.reboot_and_wait().await;
    host.sh("systemctl start app-idle").await;
    let setup = Setup { user: "chaos", ..Setup::default() };
    let stage = Reboots::on(host, setup).await;
    let step = stage.step(json!({})).await;
    let (_session, effect) = stage.act(&step).await;
    assert_eq!(effect.0["units_missing"], json!(1), "{effect:?}");
    let reverted = stage.revert(&step).await;
    assert_eq!((reverted.outcome, &reverted.effect.0["started"]), (RevertOutcome::Restored, &json!(1)));
    stage.end(&step).await;
    stage.host.sh("systemctl stop app-idle").await;
}

#[tokio::test]
async fn what_does_not_come_back_is_an_error_that_names_it() {
    let Some(host) = TestHost::get("any").await else { return };
    host.reboot_and_wait().await;
    // It runs once, and after a reboot it cannot.
    let unit = "[Service]\\nExecStart=/bin/sleep infinity\\nExecStartPre=/usr/bin/test -e /run/once\\n";
    host.sh(&format!("printf '{unit}' >/etc/systemd/system/app-once.service; systemctl daemon-reload; touch /run/once; systemctl start app-once"))
        .await;
    let stage = Reboots::on(host, Setup::default()).await;
    let step = stage.step(json!({})).await;
    let _session = stage.act(&step).await;
    let error = stage.try_revert(&step, true).await.unwrap_err();
    assert!(
        error.is_transient() && error.chain().contains("`app-once.service` is failed"),
        "{}",
        error.chain()
    );
    stage.host.sh("touch /run/once").await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    stage.end(&step).await;
    stage
        .host
        .sh("systemctl stop app-once; rm /etc/systemd/system/app-once.service /run/once; systemctl daemon-reload")
        .await;
}

#[tokio::test]
async fn a_host_that_was_not_rebooted_has_nothing_to_undo() {
    let Some(stage) = Reboots::get("any").await else { return };
    let step = stage.step(json!({})).await;
    assert_eq!(stage.try_revert(&step, false).await.unwrap().outcome, RevertOutcome::NothingToDo);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_host_that_was_rebooted_since_the_plan_is_not_rebooted_again() {
    let Some(stage) = Reboots::get("any").await else { return };
    let mut step = stage.step(json!({})).await;
    step.boot = "another".to_owned();
    let (_session, refused) = stage.try_act(&step).await;
    assert!(refused.unwrap_err().chain().contains("was rebooted since the plan was made"));
    stage.host.assert_same(&stage.before).await;
}

#[tokio::test]
async fn a_host_that_would_not_come_back_as_it_is_is_not_rebooted() {
    let Some(stage) = Reboots::get("any").await else { return };
    for (set_up, tear_down, why) in [
        (
            "systemd-run -q --unit=app-lost sleep infinity",
            "systemctl stop app-lost",
            "`app-lost.service` is transient",
        ),
        (
            "mkdir -p /run/systemd/shutdown; touch /run/systemd/shutdown/scheduled",
            "rm -r /run/systemd/shutdown",
            "somebody else shuts it down",
        ),
        (
            "systemd-run -q --unit=app-busy systemd-inhibit --what=shutdown --mode=block --who=tests --why=busy sleep infinity; sleep 1",
            "systemctl stop app-busy",
            "asks it not to shut down",
        ),
    ] {
        stage.host.sh(set_up).await;
        let refused = stage.prepare(json!({})).await;
        stage.host.sh(tear_down).await;
        let Err(error) = refused else { panic!("not refused: {why}") };
        assert!(error.chain().contains(why), "{}", error.chain());
    }
    stage.host.assert_same(&stage.before).await;
}

#[tokio::test]
async fn a_time_that_makes_no_sense_is_refused() {
    let Some(stage) = Reboots::get("any").await else { return };
    for within in ["9s", "16m", "", "5", "-5m", "soon"] {
        let refusal = stage.refusal(json!({"come_back_within": within})).await;
        assert!(refusal.contains("come_back_within"), "{refusal}");
    }
}

#[tokio::test]
async fn a_host_without_systemd_is_not_rebooted() {
    let Some(stage) = Reboots::get("th3").await else { return };
    assert!(stage.refusal(json!({})).await.contains("find systemd"));
}
