//! Targets that turn out to be one system, or a part of one.

use super::*;

#[test]
fn two_named_targets_that_are_one_system_still_block_each_other() {
    let mut plan = on_hosts(2);
    plan.experiments[0].targets[1].identity.fingerprint = "host/0".to_owned();
    check_review(
        plan,
        &Limits::default(),
        expect![[r#"
        blocking: `postgres://shop` and `postgres://shop` are the same system (host/0): step 1 (`db.insert_load`, keeps others from reading and writing) and step 3 (`db.insert_load`, keeps others from reading and writing) of experiment `load` would wait for each other at `path /1`
          change: name each system once, or put the faults into two experiments"#]],
    );
}

#[test]
fn many_targets_that_are_one_system_are_said_to_be_so_once() {
    let mut plan = on_hosts(10);
    for (place, target) in plan.experiments[0].targets.iter_mut().enumerate() {
        (target.identity.fingerprint, target.member) = ("5f0c".to_owned(), format!("web-{place}"));
    }
    check_review(
        plan,
        &Limits::default(),
        expect![[r#"
        blocking: `web-0`, `web-1`, `web-2`, `web-3`, `web-4` and 5 more are the same system (5f0c): step 1 (`db.insert_load`, keeps others from reading and writing) and step 3 (`db.insert_load`, keeps others from reading and writing) of experiment `load` would wait for each other at `path /1`
          change: name each system once, or put the faults into two experiments"#]],
    );
}

#[test]
fn a_reboot_of_a_host_and_a_fault_in_one_of_its_containers_are_refused_together() {
    let mut plan = on_hosts(2);
    let experiment = &mut plan.experiments[0];
    let host = experiment.targets[0].identity.fingerprint.clone();
    let container = &mut experiment.targets[1].identity;
    container.fingerprint = format!("{host}/shop-db");
    container.names.push(TargetName::new(NameKind::Container, "shop-db"));
    let on = |target, access| {
        let claim = Claim { resource: "host".to_owned(), access };
        let other = Claim { resource: "network".to_owned(), access: Access::BlockAll };
        let mut step = claiming(target as u32 + 1, "", access);
        step.facts.claims = vec![other, claim];
        PlannedStep { target, ..step }
    };
    experiment.steps = vec![on(0, Access::BlockAll), on(1, Access::Read)];
    check_review(
        plan.clone(),
        &Limits::default(),
        expect![[r#"
        blocking: step 1 (`db.insert_load`, keeps others from reading and writing) and step 2 (`db.insert_load`, reads) of experiment `load` would wait for each other at `host`
          change: put them into two experiments, or let them act on different resources"#]],
    );
    // Only databases are read and written.
    for target in &mut plan.experiments[0].targets {
        target.kind = "server".to_owned();
    }
    check_review(
        plan.clone(),
        &Limits::default(),
        expect![[r#"
        blocking: step 1 (`db.insert_load`, needs it for itself) and step 2 (`db.insert_load`, needs it as it is) of experiment `load` would wait for each other at `host`
          change: put them into two experiments, or let them act on different resources"#]],
    );
    // What else they have to themselves has the same name on both, and is not the same.
    plan.experiments[0].steps = vec![on(0, Access::Read), on(1, Access::Read)];
    check_review(plan, &Limits::default(), expect!["approved"]);
}
