//! Several targets in one experiment: right, and every way to be wrong.

use serde_json::json;

use super::{INSERT, check_refused, file, load_text};

/// An experiment with these targets and skills, from line 4 on.
fn several(targets: &str, skills: &str) -> String {
    format!("experiments:\n- name: a\n  duration: 5m\n  targets:\n{targets}  skills:\n{skills}")
}

const SHOP: &str = "    shop: {target: database, target_config: {connection_url: x, db_type: postgres}}\n";
const WEB: &str = "    web: {target: cache, target_config: {}}\n";

#[test]
fn several_targets_have_names_and_each_fault_says_which_it_acts_on() {
    let skills = "  - {skill_name: cache.flush, on: web}\n  - {on: shop, skill_name: db.insert_load}\n";
    let listed = "  - {name: shop, target: db, target_config: {connection_url: x, db_type: postgres}}\n  \
                  - {name: web, target: cache, target_config: {}}\n";
    for targets in [format!("{SHOP}{WEB}"), listed.to_owned()] {
        let loaded = load_text(&several(&targets, skills)).unwrap();
        let experiment = &loaded.experiments[0];
        let targets: Vec<_> =
            experiment.targets.iter().map(|target| (target.name.as_str(), target.kind.as_str())).collect();
        assert_eq!(targets, [("shop", "database"), ("web", "cache")]);
        let uses: Vec<_> = experiment.uses.iter().map(|used| (used.fault.as_str(), used.target)).collect();
        assert_eq!(uses, [("cache.flush", 1), ("db.insert_load", 0)]);
        assert_eq!(loaded.resolve_config(0, 0, &|_| None).unwrap()["connection_url"], json!("x"));
    }
    let alone = load_text(&several(SHOP, INSERT)).unwrap();
    assert_eq!(alone.experiments[0].targets[0].name, "shop");
}

#[test]
fn a_fault_on_no_target_or_on_one_of_another_kind_is_refused_at_its_line() {
    let skills = "  - {skill_name: cache.flush, on: wep}\n  - skill_name: cache.flush\n  \
                  - {skill_name: cache.flush, on: shop}\n  - {skill_name: cache.flush, on: 5}\n  - {skill_name: cache.flush, on: }\n";
    check_refused(
        &several(&format!("{SHOP}{WEB}"), skills),
        &[
            "e.yaml:8:35: no target is called `wep` (did you mean `web`? Known targets: `shop`, `web`)",
            "e.yaml:9:5: key `on` is missing (it says which target the fault acts on; known targets: `shop`, `web`)",
            "e.yaml:10:18: fault `cache.flush` acts on a `cache`, but target `shop` is a `database` (known faults for it: `db.insert_load`, `db.config_change`)",
            "e.yaml:11:35: no target is called `5` (known targets: `shop`, `web`)",
            "e.yaml:12:31: expected text, nothing is written here",
        ],
    );
    check_refused(
        &file("", "  - {skill_name: db.insert_load, on: shop}\n"),
        &["e.yaml:7:34: `on` chooses among several `targets`, but here is one `target` (leave it out)"],
    );
}

#[test]
fn one_target_and_several_exclude_each_other() {
    let both = file(&format!("  targets:\n{WEB}"), INSERT);
    check_refused(
        &both,
        &[
            "e.yaml:6:3: `target` and `targets` exclude each other (write one `target` with its `target_config`, or several `targets`)",
        ],
    );
    let none = "experiments:\n- name: a\n  duration: 5m\n  skills:\n  - skill_name: db.insert_load\n";
    check_refused(none, &["e.yaml:2:3: key `target` is missing"]);
}

#[test]
fn wrong_targets_are_refused_at_their_lines() {
    let with = |targets: &str| several(targets, "  - {skill_name: cache.flush, on: web}\n");
    check_refused(
        &with(&format!(
            "{WEB}    shop: {{target: databas, target_config: {{}}}}\n    x: {{target: cache}}\n    y:\n"
        )),
        &[
            "e.yaml:6:20: unknown target `databas` (did you mean `database`? Known targets: `database`, `cache`)",
            "e.yaml:7:8: key `target_config` is missing",
            "e.yaml:8:5: expected keys and values, nothing is written here",
        ],
    );
    check_refused(
        &with(&format!(
            "{WEB}    shop: {{target: database, target_config: {{conection_url: x, db_type: sqlite}}, on: 1}}\n"
        )),
        &[
            "e.yaml:6:45: key `connection_url` is missing",
            "e.yaml:6:46: unknown key `conection_url` (did you mean `connection_url`? Known keys: `connection_url`, `db_type`, `schemas`)",
            "e.yaml:6:82: unknown key `on` (known keys: `target`, `target_config`)",
        ],
    );
    check_refused(
        &with(
            "  - {name: web, target: cache, target_config: {}}\n  - {name: web, target: cache, target_config: {}}\n  - {target: cache, target_config: {}}\n",
        ),
        &["e.yaml:6:12: two targets are called `web`", "e.yaml:7:5: key `name` is missing"],
    );
    for (targets, expected) in [
        ("    {}\n", "e.yaml:4:3: `targets` has 0 entries, but 1 to 100 make sense"),
        (
            "    web\n",
            "e.yaml:4:3: expected a name for each target, and below it `target` and `target_config`",
        ),
        ("", "e.yaml:4:3: expected a name for each target, and below it `target` and `target_config`"),
    ] {
        check_refused(&with(targets), &[expected]);
    }
}

#[test]
fn a_reference_of_one_of_several_targets_is_shown_where_it_stands() {
    let secret = SHOP.replace("connection_url: x", "connection_url: '${PW}'");
    let skills = "  - {skill_name: db.insert_load, on: shop}\n";
    let loaded = load_text(&several(&format!("{WEB}{secret}"), skills)).unwrap();
    let problem = loaded.resolve_config(0, 1, &|_| None).unwrap_err();
    assert_eq!(problem.position(), Some((6, 62)));
    assert_eq!(loaded.config_problem(0, 0, "no").position(), Some((5, 41)));
}
