//! The limits of a plan, and the file they come from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chaos_core::document::{Document, Problem};
use chaos_core::experiment::parse_hold;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::pattern::NamePattern;
use crate::production::Production;
use crate::rope::RequireRope;

/// What a plan may do. Every limit has a default that keeps a mistake small; a policy file changes it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Chaos policy")]
pub struct Limits {
    /// How long the faults of one experiment may be held: `10m`, `2h`. Default: `1h`.
    #[serde(deserialize_with = "hold")]
    #[schemars(with = "String")]
    pub max_duration: Duration,
    /// How many rows all steps of a run may insert, change or lock together. Default: 5000000.
    pub max_rows: u64,
    /// How many tables all steps of a run may touch together; a table counts once for each step. Default: 100.
    pub max_tables: u64,
    /// How many connections the steps of one experiment may hold open at once. Default: 100.
    pub max_connections: u64,
    /// How many hosts all steps of a run may touch together; a host counts once, however many steps it has. Default: 10.
    pub max_hosts: u64,
    /// How many pods all steps of a run may touch together. Default: 20.
    pub max_pods: u64,
    /// Names that no step may touch and no target may have, as patterns: `billing`, `table:public.users`, `host:10.0.*`,
    /// `service:postgresql*`, `cidr:10.0.0.0/8`. The databases and schemas of the systems themselves (`template0`, `pg_catalog`, …) are always protected. Default: none.
    #[schemars(with = "Vec<String>")]
    pub protected: Vec<NamePattern>,
    /// What counts as production. Nothing that does is touched, unless it is allowed here.
    pub production: Production,
    /// What every step must have on its target that ends it without us: `none`, `any`, or `over_reboot`, where a deadline must
    /// also hold when the target is rebooted meanwhile. `true` means `any`, `false` means `none`. Default: none.
    pub require_rope: RequireRope,
    /// Where these limits come from.
    #[serde(skip)]
    pub source: Source,
}

/// Where limits come from, so that a refusal can say where to change them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Source {
    /// The defaults; no policy file was looked for.
    #[default]
    BuiltIn,
    /// The defaults, because there is no file at the usual place.
    NoFileAt(PathBuf),
    /// This file.
    File(PathBuf),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_duration: Duration::from_secs(60 * 60),
            // A load test of a million rows, with inserts and updates and room to spare.
            max_rows: 5_000_000,
            max_tables: 100,
            // What a PostgreSQL server allows by default.
            max_connections: 100,
            max_hosts: 10,
            max_pods: 20,
            protected: Vec::new(),
            production: Production::default(),
            require_rope: RequireRope::None,
            source: Source::BuiltIn,
        }
    }
}

impl Limits {
    /// Reads a policy file. What it does not mention keeps its default.
    ///
    /// # Errors
    /// Every problem that could be found.
    pub fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let document = Document::load(path).map_err(|problem| vec![problem])?;
        Self::read(&document, path)
    }

    /// Reads a policy that is text; `path` is what errors and refusals call it.
    ///
    /// # Errors
    /// Every problem that could be found.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(&path.display().to_string(), text).map_err(|problem| vec![problem])?;
        Self::read(&document, path)
    }

    /// Returns the defaults, noting where a policy file would have been read from.
    pub fn without_file(path: PathBuf) -> Self {
        Self { source: Source::NoFileAt(path), ..Self::default() }
    }

    /// Reads a policy that is a document already; `path` is what refusals call it.
    ///
    /// # Errors
    /// Every problem that could be found.
    pub fn read(document: &Document, path: &Path) -> Result<Self, Vec<Problem>> {
        let root = document.root();
        document.entries(root, root.span).map_err(|problem| vec![problem])?;
        let limits: Self = document.read(root)?;
        Ok(Self { source: Source::File(path.to_owned()), ..limits })
    }

    /// Returns where `key` is changed, as people read it.
    pub(crate) fn place_of(&self, key: &str) -> String {
        match &self.source {
            Source::BuiltIn => format!("`{key}` in a policy file"),
            Source::NoFileAt(path) => {
                format!("`{key}` in the policy file `{}` (there is none yet)", path.display())
            }
            Source::File(path) => format!("`{key}` in the policy file `{}`", path.display()),
        }
    }
}

/// Returns the JSON schema of a policy file.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Limits)
}

fn hold<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_hold(&text).map_err(|(message, hint)| serde::de::Error::custom(format!("{message}; {hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(text: &str, expected: &[&str]) {
        let problems = Limits::parse(Path::new("policy.yaml"), text).unwrap_err();
        let lines: Vec<String> = problems.iter().map(|problem| format!("{problem:?}")).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_a_file_does_not_mention_keeps_its_default() {
        let text = "max_duration: 10m\nprotected: [billing]\nproduction:\n  allow: [shop_live]\n";
        let limits = Limits::parse(Path::new("policy.yaml"), text).unwrap();
        assert_eq!(limits.max_duration, Duration::from_secs(600));
        assert_eq!(limits.max_rows, Limits::default().max_rows);
        assert_eq!(limits.production.words.len(), 4);
        assert_eq!(limits.source, Source::File("policy.yaml".into()));
    }

    #[test]
    fn a_mistake_in_the_policy_file_is_an_error_at_its_line() {
        check_refused(
            "max_row: 5\nmax_pods: -1\n",
            &[
                "policy.yaml:1:1: unknown key `max_row` (did you mean `max_rows`? Known keys: `max_duration`, `max_rows`, `max_tables`, `max_connections`, `max_hosts`, `max_pods`, `protected`, `production`, `require_rope`)",
                "policy.yaml:2:11: expected a whole number, 0 or more, found `-1`",
            ],
        );
        check_refused(
            "max_duration: 90\n",
            &[
                "policy.yaml:1:15: `90` has no unit; write a number and a unit, for example `90s`, `5m` or `1h 30m`",
            ],
        );
        check_refused(
            "protected:\n- 'a['\n",
            &["policy.yaml:2:3: `a[` is not a pattern for names: unclosed character class; missing ']'"],
        );
        check_refused(
            "production: {allowed: []}\n",
            &["policy.yaml:1:14: unknown key `allowed` (did you mean `allow`? Known keys: `words`, `allow`)"],
        );
        check_refused("- 1\n", &["policy.yaml:1:1: expected keys and values, found a list"]);
        check_refused("", &["policy.yaml:1:1: the file is empty"]);
    }

    #[test]
    fn the_schema_documents_every_limit() {
        let schema = schema().to_value();
        let limits = schema["properties"].as_object().unwrap();
        assert_eq!(limits.len(), 9);
        for (name, limit) in limits {
            assert!(limit["description"].is_string(), "{name}");
        }
    }
}
