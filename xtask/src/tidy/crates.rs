//! Which crate may use which, read from `cargo metadata`.

use std::path::PathBuf;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use super::Finding;
use crate::Outcome;
use crate::failure::Context;
use crate::workspace;

/// What each crate may use of ours. A crate that is not listed here has not been thought about.
const EDGES: &[(&str, &[&str])] = &[
    ("chaos-core", &[]),
    ("chaos-policy", &["chaos-core"]),
    ("chaos-engine", &["chaos-core", "chaos-policy"]),
    // No fault crate knows the engine, or another fault crate.
    ("chaos-host", &["chaos-core"]),
    ("chaos-db", &["chaos-core"]),
    ("chaos-server", &["chaos-core", "chaos-host"]),
    ("chaos-testkit", &["chaos-core", "chaos-policy", "chaos-engine"]),
    ("chaos-cli", &["chaos-core", "chaos-policy", "chaos-engine", "chaos-host", "chaos-db", "chaos-server"]),
    ("xtask", &[]),
];

/// What only tests may use: it is never part of the shipped binary.
const TESTKIT: &str = "chaos-testkit";

/// Checks every edge between our crates.
pub fn check() -> Outcome<Vec<Finding>> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace::root())
        .no_deps()
        .exec()
        .context(|| "read the metadata of the workspace".to_owned())?;
    Ok(metadata.packages.iter().flat_map(check_package).collect())
}

fn check_package(package: &Package) -> Vec<Finding> {
    let edges = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some())
        .map(|dependency| (dependency.name.as_str(), dependency.kind));
    check_edges(&package.name, edges)
}

fn check_edges<'a>(
    name: &str,
    dependencies: impl Iterator<Item = (&'a str, DependencyKind)>,
) -> Vec<Finding> {
    let finding = |message| Finding { file: manifest(name), line: 0, message };
    let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
        return vec![finding(format!("crate `{name}` has no rule; add its allowed edges to tidy"))];
    };
    dependencies
        .filter(|(dependency, kind)| {
            let is_testkit_in_tests = *kind == DependencyKind::Development && *dependency == TESTKIT;
            !allowed.contains(dependency) && !is_testkit_in_tests
        })
        .map(|(dependency, _)| finding(format!("crate `{name}` must not use `{dependency}`")))
        .collect()
}

fn manifest(name: &str) -> PathBuf {
    let folder = if name == "xtask" { PathBuf::from(name) } else { PathBuf::from("crates").join(name) };
    folder.join("Cargo.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(name: &str, dependency: &str, kind: DependencyKind) -> Vec<String> {
        check_edges(name, [(dependency, kind)].into_iter()).into_iter().map(|f| f.message).collect()
    }

    #[test]
    fn a_fault_crate_that_uses_the_engine_is_found() {
        let found = messages("chaos-db", "chaos-engine", DependencyKind::Normal);
        assert_eq!(found, ["crate `chaos-db` must not use `chaos-engine`"]);
    }

    #[test]
    fn the_testkit_is_for_tests_only() {
        assert!(messages("chaos-cli", TESTKIT, DependencyKind::Development).is_empty());
        assert_eq!(messages("chaos-cli", TESTKIT, DependencyKind::Normal).len(), 1);
    }

    #[test]
    fn a_crate_without_a_rule_is_found() {
        assert_eq!(messages("chaos-new", "chaos-core", DependencyKind::Normal).len(), 1);
    }
}
