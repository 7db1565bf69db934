//! What is written about the binary is what the binary says.

use std::path::{Path, PathBuf};

use crate::world::Chaos;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_schemas_in_the_repository_are_those_of_the_binary() {
    for name in ["experiment", "policy", "plan", "report", "status", "history"] {
        let path = repository().join(format!("docs/schema/{name}.json"));
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        let ended = Chaos::new().call(&["schema", name]);
        ended.assert_code(0);
        assert!(written == ended.stdout, "docs/schema/{name}.json is old; run `cargo xtask schema`");
    }
}

#[test]
fn the_readme_lists_every_fault() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let listed = Chaos::new().call(&["list-skills", "--output", "json"]);
    listed.assert_code(0);
    let names: Vec<&str> = listed
        .stdout
        .split('"')
        .filter(|word| {
            word.starts_with("db.") && word.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c))
        })
        .collect();
    assert!(names.len() >= 6, "{}", listed.text());
    for name in names {
        assert!(readme.contains(&format!("`{name}`")), "the README does not mention {name}");
    }
}

#[test]
fn the_examples_in_the_repository_are_valid() {
    let folder = repository().join("examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            Chaos::new().call(&["validate", path.to_str().unwrap()]).assert_code(0);
            count += 1;
        }
    }
    assert!(count > 0, "there are no examples");
}
