//! Patterns for the names of things.

use std::fmt;

use chaos_core::{NameKind, TargetName};
use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

/// A pattern for names: `billing`, `shop_*`, or only for one kind of thing: `table:public.users`, `host:10.0.*`.
///
/// `*` stands for anything, `?` for one character, `[ab]` for one of these, `{a,b}` for one of these words. Upper and lower
/// case are the same. A table is matched with and without its schema.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern {
    text: String,
    kind: Option<NameKind>,
    glob: GlobMatcher,
}

/// The text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern for names: {reason}")]
pub struct NotAPattern {
    /// The text.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

const KINDS: [NameKind; 5] =
    [NameKind::Host, NameKind::Database, NameKind::Schema, NameKind::Table, NameKind::Setting];

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is empty or its brackets do not match.
    pub fn new(text: &str) -> Result<Self, NotAPattern> {
        let wrong = |reason: String| NotAPattern { pattern: text.to_owned(), reason };
        let (kind, glob) = match text.split_once(':') {
            Some((word, rest)) => match KINDS.iter().find(|kind| kind.to_string() == word) {
                Some(kind) => (Some(*kind), rest),
                None => (None, text),
            },
            None => (None, text),
        };
        if glob.trim().is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        let glob = GlobBuilder::new(glob)
            .case_insensitive(true)
            .build()
            .map_err(|error| wrong(error.kind().to_string()))?;
        Ok(Self { text: text.to_owned(), kind, glob: glob.compile_matcher() })
    }

    /// Returns whether this is a pattern for `name`.
    pub fn matches(&self, name: &TargetName) -> bool {
        if self.kind.is_some_and(|kind| kind != name.kind) {
            return false;
        }
        let without_schema = match name.kind {
            NameKind::Table => name.name.rsplit('.').next(),
            NameKind::Host | NameKind::Database | NameKind::Schema | NameKind::Setting => None,
        };
        self.glob.is_match(&name.name) || without_schema.is_some_and(|table| self.glob.is_match(table))
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for NamePattern {
    type Error = NotAPattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<NamePattern> for String {
    fn from(pattern: NamePattern) -> Self {
        pattern.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, kind: NameKind, name: &str, expected: bool) {
        let pattern = NamePattern::new(pattern).unwrap();
        assert_eq!(pattern.matches(&TargetName::new(kind, name)), expected);
    }

    #[test]
    fn a_pattern_matches_whole_names_in_any_case() {
        check("billing", NameKind::Database, "Billing", true);
        check("billing", NameKind::Database, "billing2", false);
        check("shop_*", NameKind::Schema, "shop_eu", true);
        check("10.0.*", NameKind::Host, "10.0.3.4", true);
        check("*.db", NameKind::Database, "/var/lib/shop.db", true);
    }

    #[test]
    fn a_kind_in_front_narrows_the_pattern() {
        check("host:billing", NameKind::Database, "billing", false);
        check("database:billing", NameKind::Database, "billing", true);
    }

    #[test]
    fn a_table_is_matched_with_and_without_its_schema() {
        check("users", NameKind::Table, "public.users", true);
        check("public.users", NameKind::Table, "public.users", true);
        check("public.*", NameKind::Table, "audit.users", false);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "  ", "table:", "a[", "{a"] {
            assert!(NamePattern::new(text).is_err(), "{text}");
        }
    }
}
