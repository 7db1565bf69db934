//! `cargo xtask tidy`: the rules of the house that no lint knows.

mod crates;
mod documents;
mod leftovers;
mod lengths;
mod panics;
mod source;

use std::fmt;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::{Outcome, workspace};
use source::SourceFile;

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Relative to the workspace.
    file: PathBuf,
    /// From 1; 0 for the file as a whole.
    line: usize,
    /// What is wrong and what to do.
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// Checks the workspace and prints what it found.
///
/// # Errors
/// When a rule is broken or a file cannot be read.
pub fn run() -> Outcome {
    let findings = check()?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: every rule holds");
        return Ok(());
    }
    Err(Failure::new("find the workspace tidy").because(format!("{} findings", findings.len())))
}

fn check() -> Outcome<Vec<Finding>> {
    let mut findings = crates::check()?;
    for file in source::rust_files(&workspace::root())? {
        findings.extend(check_file(&file));
    }
    for file in source::text_files(&workspace::root())? {
        findings.extend(leftovers::check(&file.path, &file.text));
    }
    findings.sort();
    Ok(findings)
}

fn check_file(file: &SourceFile) -> Vec<Finding> {
    let mut findings = lengths::check(file);
    findings.extend(documents::check(file));
    findings.extend(panics::check(file));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let findings = check().unwrap();
        let list: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert!(list.is_empty(), "{} findings:\n{}", list.len(), list.join("\n"));
    }
}
