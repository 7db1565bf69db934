//! `validate` and `schema`.

use crate::user::User;

#[test]
fn a_valid_file_of_either_kind_is_called_by_its_kind() {
    let user = User::new();
    let experiment = user.experiment("1s");
    let policy = user.write("policy.yaml", "max_rows: 10\n");
    let said = user.types(&["validate", &experiment, &policy]);
    said.assert_code(0);
    assert!(said.stdout.contains("small.yaml: 1 valid experiment\n"), "{}", said.stdout);
    assert!(said.stdout.contains("policy.yaml: a valid policy\n"), "{}", said.stdout);
}

#[test]
fn an_invalid_file_is_a_finding_and_all_its_mistakes_are_told() {
    let user = User::new();
    let file = user.experiment("1s");
    let text = std::fs::read_to_string(&file).unwrap().replace("duration: 1s", "duration: soon");
    let file = user.write("wrong.yaml", text.replace("db.insert_load", "db.insert"));
    let said = user.types(&["validate", &file]);
    said.assert_code(1);
    assert!(said.stderr.contains("2 mistakes"), "{}", said.stderr);
}

#[test]
fn a_secret_that_is_not_here_is_said_but_is_no_mistake() {
    let user = User::new();
    let file = user.experiment("1s");
    let text = std::fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once("'sqlite://").unwrap();
    let (_, tail) = rest.split_once('\'').unwrap();
    let file = user.write("secret.yaml", format!("{head}'${{NO_SUCH_VARIABLE}}'{tail}"));
    let said = user.types(&["validate", &file]);
    assert!(said.assert_code(0).stdout.contains("NO_SUCH_VARIABLE"), "{}", said.stdout);
    let said = user.types(&["run", &file]);
    assert!(said.assert_code(2).stderr.contains("NO_SUCH_VARIABLE"), "{}", said.stderr);
}

#[test]
fn every_schema_is_one() {
    let user = User::new();
    for name in ["experiment", "policy", "report", "status", "history", "plan"] {
        let schema = user.types(&["schema", name]).assert_code(0).json();
        assert!(schema["$schema"].is_string() || schema["type"].is_string(), "{name}: {schema}");
    }
}
