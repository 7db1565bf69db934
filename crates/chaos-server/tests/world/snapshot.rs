//! All of a host that a fault must leave as it was, as lines of text in sections.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Prints the sections; runs on any host with a shell, on BusyBox too.
pub const SCRIPT: &str = include_str!("snapshot.sh");

/// More lines than this of a difference help nobody.
const SHOWN_MAX: usize = 60;

/// What was there at one moment: the sorted lines of each section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSnapshot {
    sections: BTreeMap<String, Vec<String>>,
}

impl HostSnapshot {
    /// Takes apart what the script printed. The test ends when a section is empty that never is.
    pub fn parse(text: &str) -> Self {
        let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines() {
            match line.strip_prefix("=== ") {
                Some(name) => {
                    current = name.to_owned();
                    sections.entry(current.clone()).or_default();
                }
                None => sections.entry(current.clone()).or_default().push(line.to_owned()),
            }
        }
        for lines in sections.values_mut() {
            lines.sort();
        }
        for section in ["files", "contents", "processes", "mounts", "links", "end"] {
            assert!(sections.contains_key(section), "the snapshot has no section `{section}`:\n{text}");
            let is_empty = sections[section].is_empty();
            assert!(!is_empty || section == "end", "the section `{section}` of the snapshot is empty");
        }
        Self { sections }
    }

    /// Returns the lines of one section.
    pub fn section(&self, name: &str) -> &[String] {
        self.sections.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns what is gone and what is new in `after`; nothing when they are equal.
    pub fn diff(&self, after: &Self) -> String {
        let mut lines = Vec::new();
        let names: std::collections::BTreeSet<_> =
            self.sections.keys().chain(after.sections.keys()).collect();
        for name in names {
            lines.extend(only_in_first('-', name, self.section(name), after.section(name)));
            lines.extend(only_in_first('+', name, after.section(name), self.section(name)));
        }
        let mut text = String::new();
        for line in lines.iter().take(SHOWN_MAX) {
            let _ = writeln!(text, "{line}");
        }
        if lines.len() > SHOWN_MAX {
            let _ = writeln!(text, "… and {} more", lines.len() - SHOWN_MAX);
        }
        text
    }
}

/// Returns the lines that are more often in `first` than in `second`.
fn only_in_first(mark: char, section: &str, first: &[String], second: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for line in second {
        *counts.entry(line).or_default() += 1;
    }
    let mut lines = Vec::new();
    for line in first {
        let count = counts.entry(line).or_default();
        *count -= 1;
        if *count < 0 {
            lines.push(format!("{mark} {section}: {line}"));
        }
    }
    lines
}
