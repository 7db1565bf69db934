//! The units of a made-up host, as systemctl prints them.

use super::*;

/// `db` is needed by `app`, which does not run, which is needed by `front`; `cache` stops when nothing needs it.
const HOST: &str = "Id=db.service\nNames=db.service postgres.service\nActiveState=active\nSubState=running\nRequiredBy=app.service\n\
     Wants=cache.service\nMainPID=17\nWatchdogUSec=3min\nFailureAction=none\n\n\
     Id=app.service\nNames=app.service\nActiveState=inactive\nSubState=dead\nRequiredBy=front.service\nAfter=db.service\n\n\
     Id=front.service\nNames=front.service\nActiveState=active\nSubState=running\nAfter=app.service db.service\n\n\
     Id=cache.service\nNames=cache.service\nActiveState=active\nSubState=running\nStopWhenUnneeded=yes\n\n\
     Id=dev-a\\x2db.mount\nNames=\"dev-a\\\\x2db.mount\"\nActiveState=active\nSubState=mounted\nFailureAction=reboot\n";

fn ids(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_unit_is_found_by_each_of_its_names() {
    let units = parse(HOST);
    assert_eq!(units.get("postgres.service"), units.get("db.service"));
    assert_eq!(units.get("db.service").unwrap().main_pid, 17);
    assert_eq!(units.get("dev-a\\x2db.mount").unwrap().drastic, "FailureAction=reboot");
    assert_eq!(units.get("nothing.service"), None);
}

#[test]
fn what_stops_with_a_unit_is_found_over_units_that_do_not_run() {
    assert_eq!(parse(HOST).stopped_with(&ids(&["db.service"])), ids(&["cache.service", "front.service"]));
}

#[test]
fn units_are_started_behind_what_they_come_after() {
    let order = parse(HOST).in_start_order(&ids(&["app.service", "db.service", "front.service"]));
    assert_eq!(order, ["db.service", "app.service", "front.service"]);
}

#[test]
fn a_process_belongs_to_the_first_unit_below_the_slices() {
    let units = parse(HOST);
    let of = |path| units.of_control_group(path).map(|unit| unit.id.as_str());
    assert_eq!(of("/system.slice/db.service"), Some("db.service"));
    assert_eq!(of("/system.slice/db.service/worker.service"), Some("db.service"));
    assert_eq!(of("/user.slice/user-0.slice/session-1.scope"), None);
    assert_eq!(of("/"), None);
}

#[test]
fn a_service_may_be_named_without_its_kind() {
    assert_eq!(unit_name("nginx").unwrap(), "nginx.service");
    assert_eq!(unit_name("my.app").unwrap(), "my.app.service");
    assert_eq!(unit_name("getty@tty1.service").unwrap(), "getty@tty1.service");
}

#[test]
fn a_name_that_no_unit_can_have_is_refused() {
    let long = "x".repeat(300);
    for name in [
        "",
        "a b",
        "a;b",
        "$(id)",
        "a/b",
        "*",
        "nginx*",
        "a\nb",
        "it's",
        "getty@",
        "getty@.service",
        ".service",
        &long,
    ] {
        assert!(matches!(unit_name(name), Err(FaultError::Params(_))), "{name}");
    }
}
