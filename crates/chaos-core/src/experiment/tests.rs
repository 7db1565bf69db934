//! Files of experiments that are right, and every way to be wrong.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::{Value, json};

use super::fake::catalog;
use super::*;
use crate::context::PrepareContext;
use crate::id::RunId;

mod targets;

/// An experiment that is right, with places to put what is wrong.
fn file(extra: &str, skills: &str) -> String {
    format!(
        "experiments:\n- name: a\n  target: database\n  target_config: {{connection_url: x, db_type: postgres}}\n  duration: 5m\n{extra}  skills:\n{skills}"
    )
}

const INSERT: &str = "  - skill_name: db.insert_load\n";

fn load_text(text: &str) -> Result<Loaded, Vec<Problem>> {
    parse("e.yaml", text, &catalog())
}

#[track_caller]
fn check_refused(text: &str, expected: &[&str]) {
    let problems = load_text(text).unwrap_err();
    let lines: Vec<String> = problems.iter().map(|problem| format!("{problem:?}")).collect();
    assert_eq!(lines, expected);
}

#[test]
fn the_shipped_example_loads_with_the_parameters_it_gives() {
    let example = r#"experiments:
  - name: "postgres-load-test"
    target: database
    target_config:
      connection_url: "postgres://user:pass@localhost:5432/mydb"
      db_type: postgres
    skills:
      - skill_name: "db.insert_load"
        params:
          rows_per_table: 10000
          tables: ["users", "orders"]
      - skill_name: "db.config_change"
        params:
          changes:
            - param: "work_mem"
              value: "4MB"
    duration: "5m"
    parallel: false
"#;
    let loaded = load_text(example).unwrap();
    let experiment = &loaded.experiments[0];
    assert_eq!(experiment.name, "postgres-load-test");
    assert_eq!(experiment.targets[0].kind, "database");
    assert_eq!(experiment.hold, Duration::from_secs(300));
    assert!(!experiment.parallel && experiment.filter.is_empty());
    let used: Vec<_> = experiment.uses.iter().map(|used| (used.fault.as_str(), &used.params)).collect();
    let insert = json!({"rows_per_table": 10000, "tables": ["users", "orders"]});
    let change = json!({"changes": [{"param": "work_mem", "value": "4MB"}]});
    assert_eq!(used, [("db.insert_load", &insert), ("db.config_change", &change)]);
}

#[test]
fn every_experiment_of_a_file_keeps_its_own_target() {
    let one = |name: &str, url: &str| {
        format!(
            "- name: {name}\n  target: db\n  target_config: {{connection_url: {url}, db_type: sqlite}}\n  duration: 1s\n  skills: [{{skill_name: db.insert_load, count: 3}}]\n"
        )
    };
    let loaded = load_text(&format!("experiments:\n{}{}", one("a", "first"), one("b", "second"))).unwrap();
    let urls: Vec<_> =
        loaded.experiments.iter().map(|e| (e.index, &e.targets[0].config["connection_url"])).collect();
    assert_eq!(urls, [(0, &json!("first")), (1, &json!("second"))]);
    assert_eq!(
        loaded.experiments[1].uses[0],
        FaultUse { fault: "db.insert_load".into(), params: json!({}), count: 3, target: 0 }
    );
}

#[test]
fn text_parameters_need_no_quotes() {
    let skill = "  - skill_name: db.config_change\n    params: {changes: [{param: 012, value: 4}, {param: a, value: no}]}\n";
    let loaded = load_text(&file("", skill)).unwrap();
    let changes = json!([{"param": "012", "value": "4"}, {"param": "a", "value": "no"}]);
    assert_eq!(loaded.experiments[0].uses[0].params["changes"], changes);
}

#[test]
fn a_misspelt_word_is_refused_with_a_suggestion_wherever_it_stands() {
    check_refused(
        &file("  parralel: true\n", "  - skill_name: db.insert_lod\n    parms: {}\n"),
        &[
            "e.yaml:6:3: unknown key `parralel` (did you mean `parallel`? Known keys: `name`, `target`, `target_config`, `targets`, `skills`, `duration`, `parallel`, `resource_filters`)",
            "e.yaml:8:17: unknown fault `db.insert_lod` (did you mean `db.insert_load`? `chaos list-skills` shows all)",
            "e.yaml:9:5: unknown key `parms` (did you mean `params`? Known keys: `skill_name`, `on`, `params`, `count`)",
        ],
    );
    check_refused(
        &file("", &format!("{INSERT}    params: {{rows_per_tabel: 5, table: [a]}}\n")),
        &[
            "e.yaml:8:14: unknown key `rows_per_tabel` (did you mean `rows_per_table`? Known keys: `rows_per_table`, `tables`)",
            "e.yaml:8:33: unknown key `table` (did you mean `tables`? Known keys: `rows_per_table`, `tables`)",
        ],
    );
    check_refused(
        "experiment: []\n",
        &[
            "e.yaml:1:1: unknown key `experiment` (did you mean `experiments`? Known keys: `experiments`)",
            "e.yaml:1:1: key `experiments` is missing",
        ],
    );
}

#[test]
fn parameters_of_another_fault_and_wrong_types_are_refused_at_their_line() {
    check_refused(
        &file("", "  - skill_name: db.config_change\n    params:\n      rows_per_table: 5\n"),
        &[
            "e.yaml:9:7: unknown key `rows_per_table` (known keys: `changes`)",
            "e.yaml:9:7: key `changes` is missing",
        ],
    );
    check_refused(
        &file("", &format!("{INSERT}    params:\n      rows_per_table: -5\n")),
        &["e.yaml:9:23: expected a whole number from 0 to 4294967295, found `-5`"],
    );
    check_refused(
        &file("", &format!("{INSERT}    params: [5]\n")),
        &["e.yaml:8:5: expected keys and values, found a list"],
    );
    check_refused(&file("", "  - skill_name: db.config_change\n"), &["e.yaml:7:5: key `changes` is missing"]);
}

#[test]
fn a_fault_for_another_kind_of_target_is_refused() {
    check_refused(
        &file("", "  - skill_name: cache.flush\n"),
        &[
            "e.yaml:7:17: fault `cache.flush` acts on a `cache`, but the target is a `database` (known faults for it: `db.insert_load`, `db.config_change`)",
        ],
    );
}

#[test]
fn a_target_of_another_version_is_told_apart_from_nonsense() {
    let with_target = |target: &str| {
        format!(
            "experiments: [{{name: a, target: {target}, target_config: {{}}, duration: 1s, skills: [{{skill_name: x}}]}}]"
        )
    };
    check_refused(
        &with_target("kubernetes"),
        &[
            "e.yaml:1:33: target `kubernetes` is not supported by this version (supported targets: `database`, `cache`)",
        ],
    );
    check_refused(
        &with_target("databas"),
        &[
            "e.yaml:1:33: unknown target `databas` (did you mean `database`? Known targets: `database`, `cache`)",
        ],
    );
}

#[test]
fn a_wrong_target_config_is_refused_at_its_line() {
    let with_config =
        |config: &str| file("", INSERT).replace("{connection_url: x, db_type: postgres}", config);
    check_refused(
        &with_config("{conection_url: x, db_type: mysql}"),
        &[
            "e.yaml:4:19: unknown key `conection_url` (did you mean `connection_url`? Known keys: `connection_url`, `db_type`, `schemas`)",
            "e.yaml:4:46: unknown value `mysql` (known values: `postgres`, `sqlite`)",
        ],
    );
    check_refused(&with_config(""), &["e.yaml:4:3: expected keys and values, nothing is written here"]);
    check_refused(
        &with_config("{connection_url: x, db_type: '${KIND}'}"),
        &["e.yaml:4:47: unknown value `${KIND}` (`${…}` works only where any text is valid)"],
    );
}

#[test]
fn bad_durations_counts_names_and_expressions_are_all_told_at_once() {
    let text = "experiments:\n- name: ''\n  target: database\n  target_config: {connection_url: x, db_type: sqlite}\n  duration: 300\n  resource_filters: ['a(', b]\n  skills: [{skill_name: db.insert_load, count: 0}]\n";
    check_refused(
        text,
        &[
            "e.yaml:2:9: the name is empty (a name is one line of 1 to 200 characters)",
            "e.yaml:5:13: `300` has no unit (write a number and a unit, for example `90s`, `5m` or `1h 30m`)",
            "e.yaml:6:22: `a(` is not a regular expression: unclosed group (put a `\\` before characters that mean themselves)",
            "e.yaml:7:48: count `0` is out of bounds (write a number from 1 to 100)",
        ],
    );
    check_refused(
        &file("", &format!("{INSERT}    count: 101\n")),
        &["e.yaml:8:12: count `101` is out of bounds (write a number from 1 to 100)"],
    );
}

#[test]
fn empty_lists_and_missing_keys_are_refused() {
    check_refused(
        "experiments: []\n",
        &["e.yaml:1:1: `experiments` is empty (write at least one experiment)"],
    );
    check_refused("experiments:\n", &["e.yaml:1:1: expected a list, nothing is written here"]);
    check_refused("experiments: [5]\n", &["e.yaml:1:15: expected keys and values, found `5`"]);
    check_refused(
        "- name: a\n",
        &[
            "e.yaml:1:1: expected keys and values, found a list (a file of experiments begins with `experiments:`)",
        ],
    );
    check_refused(
        &file("", "  - {}\n").replace("  duration: 5m\n", ""),
        &["e.yaml:2:3: key `duration` is missing", "e.yaml:6:5: key `skill_name` is missing"],
    );
    let none = file("", "").replace("  skills:\n", "  skills: []\n");
    check_refused(&none, &["e.yaml:6:3: `skills` is empty (write at least one fault)"]);
    assert!(load_text(&file("  resource_filters: []\n", INSERT)).is_ok());
}

#[test]
fn two_experiments_of_one_name_are_refused_with_both_places() {
    let text = file("", INSERT);
    let twice = text.clone() + text.strip_prefix("experiments:\n").unwrap();
    check_refused(&twice, &["e.yaml:8:9: two experiments are called `a`"]);
}

#[test]
fn a_broken_file_tells_its_first_problems_and_counts_the_rest() {
    let many = "- skill_name: nonsense\n  x: 1\n".repeat(60).replace('\n', "\n  ");
    let problems = load_text(&file("", &format!("  {many}"))).unwrap_err();
    assert_eq!(problems.len(), 51);
    assert_eq!(problems[50].message(), "and 70 more problems");
}

#[test]
fn references_stay_as_written_until_they_are_resolved() {
    let text = file("", INSERT).replace("connection_url: x", "connection_url: 'pg://me:${PW}@h'");
    let loaded = load_text(&text).unwrap();
    assert_eq!(loaded.experiments[0].targets[0].config["connection_url"], json!("pg://me:${PW}@h"));
    let resolved = loaded.resolve_config(0, 0, &|_| Some("s3cret".to_owned())).unwrap();
    assert_eq!(resolved["connection_url"], json!("pg://me:s3cret@h"));
    let problem = loaded.resolve_config(0, 0, &|_| None).unwrap_err();
    assert_eq!(
        format!("{problem:?}"),
        "e.yaml:4:35: the environment variable `PW` is not set (set it, or give a default: `${PW:-default}`)"
    );
}

#[test]
fn parameters_take_no_reference_because_the_journal_keeps_them() {
    let skill = |value: &str| {
        format!(
            "  - skill_name: db.config_change\n    params: {{changes: [{{param: a, value: '{value}'}}]}}\n"
        )
    };
    check_refused(
        &file("", &skill("${PW}")),
        &[
            "e.yaml:8:42: `${PW}` cannot be used here, because this is kept in the journal (references work below `target_config`; for the characters themselves write `$${`)",
        ],
    );
    let loaded = load_text(&file("", &skill("$${PW}"))).unwrap();
    assert_eq!(loaded.experiments[0].uses[0].params["changes"][0]["value"], json!("${PW}"));
}

#[test]
fn later_trouble_is_shown_where_its_cause_stands() {
    let loaded = load_text(&file("", INSERT)).unwrap();
    assert_eq!(loaded.config_problem(0, 0, "no").position(), Some((4, 18)));
    assert_eq!(loaded.use_problem(0, 0, "no").position(), Some((7, 5)));
}

#[test]
fn the_schema_holds_the_parameters_of_every_fault() {
    let schema = schema(&catalog());
    let cases = schema["$defs"]["skill"]["allOf"].as_array().unwrap();
    assert_eq!(cases[0]["if"]["properties"]["skill_name"]["const"], "db.insert_load");
    assert_eq!(cases[0]["then"]["properties"]["params"]["anyOf"][0]["$ref"], "#/$defs/params.db.insert_load");
    let params = &schema["$defs"]["params.db.insert_load"];
    assert_eq!(params["properties"]["rows_per_table"]["description"], "Rows for each table.");
    assert_eq!(params["additionalProperties"], false);
    let kinds = &schema["$defs"]["experiment"]["properties"]["target"]["enum"];
    assert_eq!(kinds, &json!(["database", "cache"]));
    assert_eq!(schema["properties"]["experiments"]["minItems"], 1);
}

#[test]
fn every_reference_of_the_schema_leads_somewhere() {
    fn follow(schema: &Value, part: &Value, found: &mut usize) {
        if let Some(reference) = part.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(schema.pointer(pointer).is_some(), "{reference}");
            *found += 1;
        }
        let inner = part.as_object().map(|object| object.values().collect::<Vec<_>>());
        for inner in inner.or(part.as_array().map(|array| array.iter().collect())).unwrap_or_default() {
            follow(schema, inner, found);
        }
    }
    let schema = schema(&catalog());
    let mut found = 0;
    follow(&schema, &schema, &mut found);
    assert!(found >= 8, "{found}");
}

/// A file that was right before a few of its words were replaced.
fn damaged(seed: u64) -> String {
    use rand::{RngExt, SeedableRng};
    const WORDS: [&str; 24] = [
        "",
        "~",
        "''",
        "null",
        "5",
        "-1",
        "[]",
        "{}",
        "[x]",
        "{x: y}",
        "name",
        "target",
        "skills",
        "database",
        "cache",
        "kubernetes",
        "db.insert_load",
        "cache.flush",
        "5m",
        "'~'",
        "true",
        "${A}",
        "*x",
        "&x",
    ];
    let skill = format!("{INSERT}    count: 2\n    params: {{ rows_per_table: 5 , tables: [ a ] }}\n");
    let right = file("  parallel: true\n  resource_filters: [ a ]\n", &skill);
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut words: Vec<String> = right.split(' ').map(str::to_owned).collect();
    for _ in 0..random.random_range(1..4) {
        let place = random.random_range(0..words.len());
        let word = words[place].trim_end().to_owned();
        let mark = if word.ends_with(':') { ":" } else { "" };
        let new = format!("{}{mark}", WORDS[random.random_range(0..WORDS.len())]);
        words[place] = words[place].replacen(&word, &new, 1);
    }
    words.join(" ")
}

#[test]
fn a_damaged_file_is_refused_with_a_reason_or_loaded_but_never_panics() {
    let (mut loaded, mut refused) = (0, 0);
    for seed in 0..5_000 {
        match load_text(&damaged(seed)) {
            Ok(_) => loaded += 1,
            Err(problems) => {
                assert!(!problems.is_empty(), "{}", damaged(seed));
                refused += 1;
            }
        }
    }
    assert!(loaded > 50 && refused > 1000, "{loaded} loaded, {refused} refused");
}

#[test]
fn parameters_that_can_never_work_are_refused_where_they_stand_with_what_was_written() {
    let long = "x".repeat(150);
    for (params, expected) in [
        ("{rows_per_table: 13}", "e.yaml:8:30: `rows_per_table` must be lucky, found `13` (add one)"),
        ("{tables: [a, 'b\u{24}']}", "e.yaml:8:26: `tables` must hold plain names, found `b$`"),
        // An escaped reference is judged by what it becomes.
        ("{tables: ['$${a}']}", "e.yaml:8:23: `tables` must hold plain names, found `$${a}`"),
        ("{tables: [\"a\\nb\"]}", "e.yaml:8:23: `tables` must hold plain names, found `a\\nb`"),
        // What is not written at all is missing in the whole.
        ("{rows_per_table: 14}", "e.yaml:8:13: nothing says whose rows"),
        // What its type refuses comes first, and a reference before what it stands for.
        (
            "{rows_per_table: 13, tabel: 1}",
            "e.yaml:8:34: unknown key `tabel` (did you mean `tables`? Known keys: `rows_per_table`, `tables`)",
        ),
        (
            "{tables: ['${A}']}",
            "e.yaml:8:23: `${A}` cannot be used here, because this is kept in the journal (references work below `target_config`; for the characters themselves write `$${`)",
        ),
        (
            &format!("{{tables: ['${long}']}}"),
            &format!("e.yaml:8:23: `tables` must hold plain names, found `${}…`", &long[..99]),
        ),
    ] {
        check_refused(&file("", &format!("{INSERT}    params: {params}\n")), &[expected]);
    }
    // Each use has its own mistake, and all are told.
    let text = file("", &format!("{INSERT}    params: {{rows_per_table: 13}}\n").repeat(2));
    assert_eq!(load_text(&text).unwrap_err().len(), 2);
}

#[test]
fn a_fault_prepares_nothing_with_parameters_that_can_never_work() {
    let cx = PrepareContext {
        run: RunId::new(jiff::Timestamp::UNIX_EPOCH, 1),
        use_number: 1,
        seed: 1,
        hold: Duration::from_secs(1),
        filter: ResourceFilter::default(),
    };
    let catalog = catalog();
    let prepare = |params| {
        let mut prepared =
            catalog.fault("db.insert_load").unwrap().prepare(&cx, &super::fake::Nowhere, params);
        match prepared.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(prepared) => prepared
                .map(|steps| steps.len())
                .map_err(|error| (error.chain(), error.hint().map(str::to_owned))),
            Poll::Pending => unreachable!("nobody is asked"),
        }
    };
    assert_eq!(prepare(json!({ "rows_per_table": 12 })), Ok(0));
    let chain = "use the params of `db.insert_load`: `rows_per_table` must be lucky, found `13`";
    assert_eq!(prepare(json!({ "rows_per_table": 13 })), Err((chain.to_owned(), Some("add one".to_owned()))));
}
