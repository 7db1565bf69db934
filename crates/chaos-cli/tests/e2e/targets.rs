//! One experiment on two databases: order, one rollback over both, and names everywhere a person or a program looks.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::world::sqlite::SqliteShop;
use crate::world::{Chaos, Experiment};

const USERS: u32 = 50;

/// Two shops, and an experiment that acts on both; `third` is its last skill.
fn two(duration: &str, third: &str) -> (SqliteShop, SqliteShop, Experiment) {
    let (old, new) = (SqliteShop::create(USERS), SqliteShop::create(USERS));
    let config = |shop: &SqliteShop| {
        format!(
            "{{target: database, target_config: {{connection_url: \"sqlite://{}\", db_type: sqlite}}}}",
            shop.path().display()
        )
    };
    let text = format!(
        "experiments:\n  - name: both\n    targets:\n      old: {}\n      new: {}\n    duration: {duration}\n    skills:\n      \
         - {{skill_name: db.insert_load, on: old, params: {{tables: [users], rows_per_table: 5}}}}\n      \
         - {{skill_name: db.insert_load, on: new, params: {{tables: [users], rows_per_table: 7}}}}\n      - {third}\n",
        config(&old),
        config(&new),
    );
    (old, new, Experiment::from_text(&text))
}

const UPDATE: &str = "{skill_name: db.update_load, on: old, params: {tables: [users], rows: 3}}";

fn users(shop: &SqliteShop) -> u32 {
    shop.connection().query_row("SELECT count(*) FROM users", (), |row| row.get(0)).unwrap()
}

fn pairs(steps: &[Value], first: &str, second: &str) -> Vec<Value> {
    steps.iter().map(|step| json!([step[first], step[second]])).collect()
}

#[test]
fn both_databases_are_acted_on_and_everything_is_undone_newest_first() {
    let (old, new, experiment) = two("300ms", UPDATE);
    let before = (old.checksum(), new.checksum());
    let chaos = Chaos::new();
    let ended = chaos.run(&experiment);
    ended.assert_code(0);
    let steps = ended.steps();
    assert_eq!(
        pairs(&steps, "target_name", "state"),
        [json!(["old", "reverted"]), json!(["new", "reverted"]), json!(["old", "reverted"]),]
    );
    let undone = |place: usize| steps[place]["reverted_at"].as_str().unwrap().to_owned();
    assert!(undone(2) < undone(1) && undone(1) < undone(0), "{steps:?}");
    let report = ended.json();
    let names: Vec<&Value> =
        report["experiments"][0]["targets"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["old", "new"]);
    assert_eq!((old.checksum(), new.checksum()), before);
    chaos.assert_clean();
    let run = report["run_id"].as_str().unwrap();
    for format in ["text", "md", "html", "junit"] {
        let told = chaos.call(&["report", run, "--format", format]);
        assert!(told.assert_code(0).stdout.contains("new: insert 7 rows"), "{format}: {}", told.stdout);
    }
}

#[test]
fn a_dry_run_names_the_target_of_every_step_and_changes_nothing() {
    let (old, new, experiment) = two("1m", UPDATE);
    let before = (old.checksum(), new.checksum());
    let chaos = Chaos::new();
    let shown = chaos.call(&["run", experiment.file(), "--dry-run"]);
    let text = &shown.assert_code(0).stdout;
    for line in
        ["  Target  old: SQLite", "  Target  new: SQLite", "  2  db.insert_load on new: insert 7 rows"]
    {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    let plan = chaos.call(&["run", experiment.file(), "--dry-run", "--output", "json"]).json();
    let steps = plan["experiments"][0]["steps"].as_array().unwrap().clone();
    assert_eq!(pairs(&steps, "target", "wave"), [json!([0, 1]), json!([1, 2]), json!([0, 3])]);
    assert_eq!((old.checksum(), new.checksum()), before);
}

#[test]
fn a_run_that_is_killed_is_undone_on_both_by_its_guardian_or_by_a_recovery() {
    for no_guardian in [false, true] {
        let (old, new, experiment) = two("10m", UPDATE);
        let before = (old.checksum(), new.checksum());
        let chaos = Chaos::new();
        let flags: &[&str] = if no_guardian { &["--no-guardian"] } else { &[] };
        let running = chaos.spawn_with(&experiment, flags, &[]);
        running.wait_for_records("hold_started", 1);
        assert_eq!((users(&old), users(&new)), (USERS + 5, USERS + 7));
        running.signal(Signal::SIGKILL);
        running.wait();
        if no_guardian {
            let recovered = chaos.call(&["recover", "--output", "json"]);
            let steps = recovered.assert_code(0).json()["runs"][0]["steps"].as_array().unwrap().clone();
            let order: Vec<&Value> = steps.iter().map(|step| &step["id"]).collect();
            assert_eq!(order, [3, 2, 1], "{}", recovered.text());
        }
        chaos.wait_until_clean();
        assert_eq!((old.checksum(), new.checksum()), before);
    }
}

#[test]
fn a_recovery_finds_each_target_by_its_name_in_a_file_that_has_moved() {
    let (old, new, experiment) = two("10m", UPDATE);
    let before = (old.checksum(), new.checksum());
    let chaos = Chaos::new();
    let running = chaos.spawn_with(&experiment, &["--no-guardian"], &[]);
    running.wait_for_records("hold_started", 1);
    running.signal(Signal::SIGKILL);
    running.wait();
    let text = std::fs::read_to_string(experiment.file()).unwrap();
    let renamed = Experiment::from_text(&text.replace("new:", "newer:").replace("on: new", "on: newer"));
    let recovered = chaos.call(&["recover", "--config", renamed.file()]);
    assert!(
        recovered.assert_code(5).stderr.contains("has no target called `new` any more"),
        "{}",
        recovered.text()
    );
    assert_eq!(old.checksum(), before.0, "what can be found is undone");
    let moved = Experiment::from_text(&text);
    chaos.call(&["recover", "--config", moved.file()]).assert_code(0);
    assert_eq!((old.checksum(), new.checksum()), before);
    chaos.assert_clean();
}

#[test]
fn one_file_under_two_names_is_refused() {
    let (old, new, experiment) = two("1m", UPDATE);
    let text = std::fs::read_to_string(experiment.file()).unwrap();
    let same = text.replace(&new.path().display().to_string(), &old.path().display().to_string());
    let chaos = Chaos::new();
    let refused = chaos.run(&Experiment::from_text(&same));
    assert!(
        refused.assert_code(2).stderr.contains("`old` and `new` are the same system"),
        "{}",
        refused.text()
    );
}

#[test]
fn a_third_fault_that_cannot_be_prepared_touches_neither() {
    let (old, new, experiment) =
        two("1m", "{skill_name: db.update_load, on: new, params: {tables: [nowhere]}}");
    let before = (old.checksum(), new.checksum());
    let chaos = Chaos::new();
    let refused = chaos.run(&experiment);
    assert!(refused.assert_code(2).stderr.contains("`db.update_load` on `new`"), "{}", refused.text());
    assert_eq!((old.checksum(), new.checksum()), before);
}
