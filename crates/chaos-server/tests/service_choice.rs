//! `server.service_stop`: which services it may stop, which it chooses, and what it refuses.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use chaos_server::OnHost;
use chaos_server::faults::service_stop::ServiceStop;
use serde_json::json;
use stage::{Setup, Stage};
use world::TestHost;

type Services = Stage<OnHost<ServiceStop>>;

#[tokio::test]
async fn what_cannot_be_stopped_or_started_again_is_refused_with_its_reason() {
    let setup = Setup { excluded: vec!["app-n*", "web"], ..Setup::default() };
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("systemd-run -q --unit=app-transient sleep infinity; ln -s /lib/systemd/system/nginx.service \
             /etc/systemd/system/web.service; systemctl daemon-reload")
        .await;
    let stage = Services::on(host, setup).await;
    for (service, why) in [
        ("app-nowhere", "there is no such unit"),
        ("app-idle", "is not running but inactive"),
        ("ssh", "is never touched: "),
        ("sshd", "is never touched: "),
        ("systemd-journald", "is never touched: "),
        ("dbus.service", "is never touched: "),
        ("app-socket.socket", "this is another kind of unit"),
        ("app-transient", "nothing could start it again"),
        ("systemd-sysctl.service", "is never touched"),
        ("getty@", "it is a template"),
        ("nginx; reboot", "such a name holds letters"),
        ("$(reboot)", "such a name holds letters"),
        ("-n", "there is no such unit"),
        // Excluded itself, by an alias, and because of what stops with it.
        ("app-needs", "is excluded by `app-n*` of `exclude_services`"),
        ("nginx", "is excluded by `web` of `exclude_services`"),
        ("app-base", "`app-needs.service` stops with it, and it is excluded"),
    ] {
        let refusal = stage.refusal(json!({"services": [service]})).await;
        assert!(refusal.contains(why), "{service}: {refusal}");
    }
    stage
        .host
        .sh("systemctl stop app-transient; rm /etc/systemd/system/web.service; systemctl daemon-reload")
        .await;
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused() {
    let Some(stage) = Services::get("any").await else { return };
    for params in [
        json!({"max_services": 0}),
        json!({"max_services": 51}),
        json!({"max_services": -1}),
        json!({"max_services": 1, "services": ["nginx", "postgresql"]}),
        json!({"services": [""]}),
        json!({"service": ["nginx"]}),
        json!({"services": "nginx"}),
    ] {
        stage.refusal(params).await;
    }
}

#[tokio::test]
async fn an_alias_names_the_real_service() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh(
        "ln -s /lib/systemd/system/nginx.service /etc/systemd/system/web.service; systemctl daemon-reload",
    )
    .await;
    let stage = Services::on(host, Setup::default()).await;
    let step = stage.step(json!({"services": ["web", "nginx"]})).await;
    assert!(step.to_string().starts_with("stop `nginx.service` and keep"), "{step}");
    assert!(stage.facts(&step).names.iter().any(|name| name.name == "web.service"));
    stage.host.sh("rm /etc/systemd/system/web.service; systemctl daemon-reload").await;
}

/// The services that are chosen with each of some seeds.
async fn chosen(stage: &mut Services, max: u16) -> Vec<String> {
    let mut lines = Vec::new();
    for seed in 0..20 {
        stage.set_seed(seed);
        lines.push(stage.step(json!({"max_services": max})).await.what.services.join(" "));
    }
    lines
}

#[tokio::test]
async fn resource_filters_and_exclude_services_bound_the_choice() {
    let setup =
        Setup { filters: vec!["nginx.*", "postgres.*"], excluded: vec!["docker", "sql"], ..Setup::default() };
    let Some(mut stage) = Services::with("any", setup).await else { return };
    // A pattern is for the whole name: `sql` does not protect postgresql.
    for services in chosen(&mut stage, 1).await {
        assert!(["nginx.service", "postgresql.service"].contains(&services.as_str()), "{services}");
    }
    for services in chosen(&mut stage, 5).await {
        assert_eq!(services, "nginx.service postgresql.service");
    }
    let setup =
        Setup { filters: vec!["nginx.*", "postgres.*"], excluded: vec!["postgres*"], ..Setup::default() };
    let mut stage = Services::on(stage.host, setup).await;
    assert!(chosen(&mut stage, 2).await.iter().all(|services| services == "nginx.service"));
}

#[tokio::test]
async fn a_choice_depends_on_the_seed_and_takes_nothing_that_is_never_touched() {
    let Some(mut stage) = Services::get("any").await else { return };
    let first = chosen(&mut stage, 2).await;
    assert_eq!(first, chosen(&mut stage, 2).await);
    assert!(first.iter().any(|services| *services != first[0]), "{first:?}");
    for services in first {
        let is_essential =
            |name: &str| name.starts_with("ssh.") || name.starts_with("systemd-") || name.starts_with("dbus");
        assert!(!services.split(' ').any(is_essential), "{services}");
        assert_eq!(services.split(' ').count(), 2);
    }
}

#[tokio::test]
async fn nothing_is_chosen_where_discovery_is_off() {
    let Some(stage) = Services::with("any", Setup { may_choose: false, ..Setup::default() }).await else {
        return;
    };
    assert!(stage.refusal(json!({})).await.contains("without discovery"));
}

#[tokio::test]
async fn an_excluded_name_is_compared_whole_and_not_by_what_it_contains() {
    let setup = Setup { excluded: vec!["sql", "ngin", "inx", "app-?", "docker"], ..Setup::default() };
    let Some(stage) = Services::with("any", setup).await else { return };
    stage.step(json!({"services": ["postgresql", "nginx", "app-base"]})).await;
    let stage =
        Services::on(stage.host, Setup { excluded: vec!["postgresql.service"], ..Setup::default() }).await;
    assert!(stage.refusal(json!({"services": ["postgresql"]})).await.contains("is excluded by"));
}
