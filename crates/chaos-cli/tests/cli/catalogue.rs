//! The fault catalogue and its pages.

use expect_test::expect;

use crate::user::User;

#[test]
fn the_columns_of_the_catalogue_line_up() {
    let said = User::new().types(&["list-skills", "--target", "database"]);
    said.assert_code(0);
    let mut lines = said.stdout.lines();
    let head = lines.next().unwrap();
    let starts: Vec<usize> =
        ["NAME", "TARGET", "RISK", "UNDO", "WHAT"].iter().map(|title| head.find(title).unwrap()).collect();
    let mut count = 0;
    for line in lines {
        count += 1;
        for start in &starts[1..] {
            assert_eq!(&line[start - 2..*start], "  ", "{line}");
            assert_ne!(&line[*start..=*start], " ", "{line}");
        }
    }
    assert!(count >= 6, "{}", said.stdout);
}

#[test]
fn an_unknown_target_is_an_error_with_suggestions() {
    let said = User::new().types(&["list-skills", "--target", "databse"]);
    said.assert_code(2);
    assert_eq!(said.stdout, "");
    expect![[r#"
        error[CH0103]: failed to list the faults: unknown target `databse`
          hint: did you mean `database`? Known targets: `database`, `server`
          more: `chaos explain CH0103`
    "#]]
    .assert_eq(&said.stderr);
}

#[test]
fn a_kind_of_target_without_faults_says_so() {
    let user = User::new();
    let said = user.types(&["list-skills", "--target", "k8s"]);
    said.assert_code(0);
    assert_eq!(said.stdout, "");
    assert!(said.stderr.contains("no faults for target `k8s` yet"), "{}", said.stderr);
    let said = user.types(&["list-skills", "--target", "kubernetes", "--output", "json"]);
    assert_eq!(said.json(), serde_json::json!([]));
    let servers = user.types(&["list-skills", "--target", "srv", "--output", "json"]).json();
    let of_servers = |fault: &serde_json::Value| fault["target"] == "server";
    assert!(servers.as_array().is_some_and(|faults| !faults.is_empty() && faults.iter().all(of_servers)));
}

#[test]
fn every_fault_has_a_page_that_documents_each_parameter() {
    let user = User::new();
    for skill in user.types(&["list-skills", "--output", "json"]).json().as_array().unwrap() {
        let name = skill["name"].as_str().unwrap();
        let page = user.types(&["explain", name]);
        page.assert_code(0);
        for (param, property) in skill["params"]["properties"].as_object().into_iter().flatten() {
            let described = property["description"].as_str().unwrap_or_default();
            assert!(!described.is_empty(), "{name}: {param} is not documented");
            assert!(page.stdout.contains(&format!("  {param} (")), "{name}: {param}\n{}", page.stdout);
        }
        assert!(page.stdout.contains(&format!("- skill_name: {name}")), "{}", page.stdout);
    }
}

#[test]
fn the_example_on_the_page_of_a_fault_is_valid() {
    let user = User::new();
    for skill in user.types(&["list-skills", "--output", "json"]).json().as_array().unwrap() {
        let page = user.types(&["explain", skill["name"].as_str().unwrap()]).stdout;
        let (_, example) = page.split_once("\nExample\n").unwrap();
        let target = match skill["target"].as_str().unwrap() {
            "server" => "server\n  target_config: {hosts: [{host: web-1.example.com}]}",
            _ => "database\n  target_config: {connection_url: 'sqlite://shop.db', db_type: sqlite}",
        };
        let text = format!("experiments:\n- name: example\n  target: {target}\n  duration: 1s\n{example}");
        let file = user.write("example.yaml", text);
        let said = user.types(&["validate", &file]);
        assert_eq!(said.code, Some(0), "{}\n{}", page, said.stderr);
    }
}

#[test]
fn an_error_code_is_explained_in_any_case() {
    let user = User::new();
    let said = user.types(&["explain", "ch0501"]);
    said.assert_code(0);
    assert!(said.stdout.starts_with("CH0501: somebody else changed"), "{}", said.stdout);
    user.types(&["explain", "CH9999"]).assert_code(2);
    let said = user.types(&["explain", "db.insert_lod"]);
    assert!(said.assert_code(2).stderr.contains("did you mean `db.insert_load`"), "{}", said.stderr);
}
