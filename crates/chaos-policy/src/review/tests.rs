//! The review as a table: a plan and a policy in, the verdict out.

use std::path::Path;
use std::time::Duration;

use chaos_core::{
    Access, Claim, ExperimentPlan, NameKind, Plan, PlannedStep, Quantity, Rope, RunId, StepFacts, StepId,
    TargetIdentity, TargetName, TargetRef,
};
use expect_test::{Expect, expect};

use super::*;

/// A plan with one experiment of ten minutes on the database `shop`.
fn plan(steps: Vec<PlannedStep>) -> Plan {
    let run = RunId::new(jiff::Timestamp::UNIX_EPOCH, 7);
    let names = [(NameKind::Host, "127.0.0.1"), (NameKind::Database, "shop")];
    let identity = TargetIdentity {
        product: "PostgreSQL 15".to_owned(),
        label: "postgres://shop".to_owned(),
        fingerprint: "1/2".to_owned(),
        names: names.map(|(kind, name)| TargetName::new(kind, name)).to_vec(),
    };
    let target = TargetRef {
        kind: "database".to_owned(),
        identity,
        config: serde_json::json!({}),
        file: None,
        index: 0,
        name: String::new(),
        member: String::new(),
        at_once: None,
    };
    let hold = Duration::from_secs(600);
    let experiment = ExperimentPlan {
        name: "load".to_owned(),
        hold,
        parallel: false,
        targets: vec![target],
        skipped: Vec::new(),
        notes: Vec::new(),
        steps,
    };
    Plan { run, seed: 1, experiments: vec![experiment] }
}

fn step(id: u32) -> PlannedStep {
    let facts = StepFacts {
        undo: "delete them".to_owned(),
        rope: Rope::None,
        claims: Vec::new(),
        quantity: Quantity { rows: 1000, tables: 1, connections: 1, ..Quantity::default() },
        names: vec![TargetName::new(NameKind::Table, "public.users")],
    };
    PlannedStep {
        id: StepId(id),
        fault: "db.insert_load".to_owned(),
        summary: String::new(),
        facts,
        step: serde_json::Value::Null,
        target: 0,
        wave: id,
    }
}

fn with_quantity(id: u32, quantity: Quantity) -> PlannedStep {
    let mut step = step(id);
    step.facts.quantity = quantity;
    step
}

fn claiming(id: u32, resource: &str, access: Access) -> PlannedStep {
    let mut step = step(id);
    step.facts.claims = vec![Claim { resource: resource.to_owned(), access }];
    step
}

fn naming(kind: NameKind, name: &str) -> Plan {
    let mut plan = plan(vec![step(1)]);
    plan.experiments[0].targets[0].identity.names.push(TargetName::new(kind, name));
    plan
}

fn limits(text: &str) -> Limits {
    Limits::parse(Path::new("policy.yaml"), text).unwrap()
}

#[track_caller]
fn check_review(plan: Plan, limits: &Limits, expected: Expect) {
    let text = match review(plan.clone(), limits) {
        Ok(approved) => {
            assert_eq!(approved.plan(), &plan);
            "approved".to_owned()
        }
        Err(refusals) => refusals
            .iter()
            .map(|refusal| format!("{}: {}\n  change: {}", refusal.rule, refusal, refusal.where_to_change))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    expected.assert_eq(&text);
}

#[test]
fn an_ordinary_plan_is_approved() {
    check_review(plan(vec![step(1), step(2)]), &Limits::default(), expect!["approved"]);
}

#[test]
fn inserting_and_updating_a_million_rows_is_ordinary() {
    let million = Quantity { rows: 1_000_000, tables: 1, connections: 1, ..Quantity::default() };
    let steps = vec![with_quantity(1, million), with_quantity(2, million)];
    check_review(plan(steps), &Limits::default(), expect!["approved"]);
}

#[test]
fn a_hold_over_the_limit_is_refused() {
    let mut plan = plan(vec![step(1)]);
    plan.experiments[0].hold = Duration::from_millis(5_400_001);
    check_review(
        plan,
        &Limits::default(),
        expect![[r#"
        max_duration: experiment `load` lasts 1h 30m 1ms, the limit is 1h
          change: `max_duration` in a policy file"#]],
    );
}

#[test]
fn a_hold_of_exactly_the_limit_is_approved() {
    let mut plan = plan(vec![step(1)]);
    plan.experiments[0].hold = Duration::from_secs(3600);
    check_review(plan, &Limits::default(), expect!["approved"]);
}

#[test]
fn every_quantity_is_summed_over_the_run() {
    let half = Quantity { rows: 6, tables: 6, connections: 6, hosts: 6, pods: 6 };
    let few = "max_rows: 11\nmax_tables: 11\nmax_connections: 11\nmax_hosts: 11\nmax_pods: 11\n";
    let steps = vec![with_quantity(1, half), with_quantity(2, half)];
    check_review(
        plan(steps),
        &limits(few),
        expect![[r#"
        max_rows: 12 rows would be used, the limit is 11
          change: `max_rows` in the policy file `policy.yaml`
        max_tables: 12 tables would be used, the limit is 11
          change: `max_tables` in the policy file `policy.yaml`
        max_connections: 12 connections at once would be used, the limit is 11
          change: `max_connections` in the policy file `policy.yaml`
        max_hosts: 12 hosts would be used, the limit is 11
          change: `max_hosts` in the policy file `policy.yaml`
        max_pods: 12 pods would be used, the limit is 11
          change: `max_pods` in the policy file `policy.yaml`"#]],
    );
}

#[test]
fn a_sum_that_is_too_large_for_a_number_is_still_over_the_limit() {
    let huge = Quantity { rows: u64::MAX, ..Quantity::default() };
    let steps = vec![with_quantity(1, huge), with_quantity(2, huge)];
    check_review(
        plan(steps),
        &Limits::default(),
        expect![[r#"
        max_rows: 18446744073709551615 rows would be used, the limit is 5000000
          change: `max_rows` in a policy file"#]],
    );
}

#[test]
fn connections_of_experiments_that_follow_each_other_do_not_add_up() {
    let six = Quantity { connections: 6, rows: 6, ..Quantity::default() };
    let mut two = plan(vec![with_quantity(1, six)]);
    two.experiments.extend(plan(vec![with_quantity(2, six)]).experiments);
    check_review(
        two,
        &limits("max_connections: 11\nmax_rows: 11\n"),
        expect![[r#"
        max_rows: 12 rows would be used, the limit is 11
          change: `max_rows` in the policy file `policy.yaml`"#]],
    );
}

#[test]
fn a_protected_name_is_refused_once_wherever_it_stands() {
    let policy = limits("protected: ['table:users', shop]\n");
    check_review(
        plan(vec![step(1), step(2)]),
        &policy,
        expect![[r#"
        protected: database `shop` is protected by `shop`
          change: `protected` in the policy file `policy.yaml`
        protected: table `public.users` is protected by `table:users`
          change: `protected` in the policy file `policy.yaml`"#]],
    );
}

#[test]
fn what_belongs_to_the_system_is_always_protected() {
    let mut plan = naming(NameKind::Database, "template1");
    plan.experiments[0].steps[0].facts.names = vec![TargetName::new(NameKind::Table, "pg_catalog.pg_class")];
    check_review(
        plan,
        &Limits::default(),
        expect![[r#"
        protected: database `template1` is protected by `database:template1`
          change: nowhere: what belongs to the system itself is always protected
        protected: table `pg_catalog.pg_class` is protected by `table:pg_catalog.*`
          change: nowhere: what belongs to the system itself is always protected
        protected: schema `pg_catalog` is protected by `schema:pg_catalog`
          change: nowhere: what belongs to the system itself is always protected"#]],
    );
}

#[test]
fn what_looks_like_production_is_refused_and_the_place_to_allow_it_is_told() {
    let limits = Limits::without_file("/etc/chaos/policy.yaml".into());
    check_review(
        naming(NameKind::Host, "db-prod-1.example.com"),
        &limits,
        expect![[r#"
        production: host `db-prod-1.example.com` looks like production, because of `prod`
          change: `production.allow` in the policy file `/etc/chaos/policy.yaml` (there is none yet)"#]],
    );
}

#[test]
fn the_schema_of_a_table_is_looked_at_too() {
    let mut plan = plan(vec![step(1)]);
    plan.experiments[0].steps[0].facts.names = vec![TargetName::new(NameKind::Table, "live.live_users")];
    check_review(
        plan,
        &Limits::default(),
        expect![[r#"
        production: schema `live` looks like production, because of `live`
          change: `production.allow` in a policy file"#]],
    );
}

#[test]
fn production_that_the_policy_file_allows_is_approved() {
    let policy = limits("production: {allow: ['host:db-prod-*']}\n");
    check_review(naming(NameKind::Host, "db-prod-1.example.com"), &policy, expect!["approved"]);
}

#[test]
fn names_that_only_hold_the_letters_of_production_are_approved() {
    check_review(naming(NameKind::Database, "reproduction_db"), &Limits::default(), expect!["approved"]);
}

#[test]
fn a_step_without_a_rope_is_refused_where_one_is_required() {
    check_review(
        plan(vec![step(1)]),
        &limits("require_rope: true\n"),
        expect![[r#"
        require_rope: step 1 (`db.insert_load`) has nothing on its target that ends it without us
          change: `require_rope` in the policy file `policy.yaml`"#]],
    );
}

#[test]
fn a_lock_on_a_table_that_another_step_writes_is_refused() {
    let lock = claiming(1, "table public.users", Access::BlockAll);
    let write = claiming(2, "table public.users", Access::Write);
    check_review(
        plan(vec![lock, write]),
        &Limits::default(),
        expect![[r#"
        blocking: step 1 (`db.insert_load`, keeps others from reading and writing) and step 2 (`db.insert_load`, writes) of experiment `load` would wait for each other at `table public.users`
          change: put them into two experiments, or let them act on different resources"#]],
    );
}

#[test]
fn a_lock_on_another_table_or_in_another_experiment_is_approved() {
    let lock = claiming(1, "table public.users", Access::BlockAll);
    let write = claiming(2, "table public.orders", Access::Write);
    check_review(plan(vec![lock.clone(), write]), &Limits::default(), expect!["approved"]);
    let mut two = plan(vec![lock]);
    two.experiments.extend(plan(vec![claiming(2, "table public.users", Access::Write)]).experiments);
    check_review(two, &Limits::default(), expect!["approved"]);
}

#[test]
fn two_steps_that_only_write_one_table_are_approved() {
    let steps = vec![
        claiming(1, "table public.users", Access::Write),
        claiming(2, "table public.users", Access::Write),
    ];
    check_review(plan(steps), &Limits::default(), expect!["approved"]);
}

#[test]
fn one_setting_changed_by_two_steps_is_refused() {
    let mut named = step(2);
    named.facts.names = vec![TargetName::new(NameKind::Setting, "Work_Mem")];
    let steps = vec![claiming(1, "setting work_mem", Access::Write), named];
    check_review(
        plan(steps),
        &Limits::default(),
        expect![[r#"
        duplicate: step 1 and step 2 of experiment `load` both change setting `work_mem`
          change: change it once, or in another experiment"#]],
    );
}

/// The same plan on so many hosts, with two steps on each.
fn on_hosts(hosts: usize) -> Plan {
    let mut plan = plan(Vec::new());
    let experiment = &mut plan.experiments[0];
    let target = experiment.targets.remove(0);
    for place in 0..hosts {
        let mut host = target.clone();
        host.identity.fingerprint = format!("host/{place}");
        experiment.targets.push(host);
        let one = Quantity { hosts: 1, ..Quantity::default() };
        for id in [2 * place as u32 + 1, 2 * place as u32 + 2] {
            let mut step = with_quantity(id, one);
            step.facts.claims =
                vec![Claim { resource: format!("path /{}", id % 2), access: Access::BlockAll }];
            step.target = place;
            experiment.steps.push(step);
        }
    }
    plan
}

#[test]
fn a_host_counts_once_however_many_steps_it_has() {
    check_review(on_hosts(10), &Limits::default(), expect!["approved"]);
    check_review(
        on_hosts(11),
        &Limits::default(),
        expect![[r#"
        max_hosts: 11 hosts would be used, the limit is 10
          change: `max_hosts` in a policy file"#]],
    );
}

#[test]
fn a_host_in_a_protected_network_is_refused() {
    check_review(
        naming(NameKind::Host, "10.1.2.3"),
        &limits("protected: ['cidr:10.0.0.0/8']\n"),
        expect![[r#"
        protected: host `10.1.2.3` is protected by `cidr:10.0.0.0/8`
          change: `protected` in the policy file `policy.yaml`"#]],
    );
}

#[test]
fn a_deadline_that_a_reboot_takes_away_is_refused_where_more_is_required() {
    let mut step = step(1);
    step.facts.rope = Rope::OnTarget { survives_reboot: false };
    check_review(plan(vec![step.clone()]), &limits("require_rope: any\n"), expect!["approved"]);
    check_review(
        plan(vec![step]),
        &limits("require_rope: over_reboot\n"),
        expect![[r#"
        require_rope: step 1 (`db.insert_load`) has a deadline on its target that a reboot would take away
          change: `require_rope` in the policy file `policy.yaml`"#]],
    );
}

mod systems;
