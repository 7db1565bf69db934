//! Patterns that a text must fit, as LIKE and as regular expressions.

use regex::{Regex, RegexBuilder};

/// How large a compiled pattern may get, so that a constraint cannot exhaust our memory.
const SIZE_MAX: usize = 1 << 20;

/// How a pattern is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// `%` is any text and `_` any character.
    Like,
    /// A regular expression.
    Regex,
}

/// A pattern that a text must fit, or must not.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    negated: bool,
    /// The pattern of LIKE, whose gaps may be filled.
    like: Option<String>,
}

impl Pattern {
    /// Reads a pattern; the error says why it is not understood.
    ///
    /// Regular expressions of the server know more than ours. What only the server knows does not compile here.
    pub(super) fn new(text: &str, syntax: Syntax, ignore_case: bool) -> Result<Self, String> {
        let (source, like) = match syntax {
            Syntax::Like if text.contains('\\') => {
                return Err(format!("the pattern `{text}` is not understood"));
            }
            Syntax::Like => (from_like(text), Some(text.to_owned())),
            Syntax::Regex => (text.to_owned(), None),
        };
        let regex = RegexBuilder::new(&source)
            .case_insensitive(ignore_case)
            .size_limit(SIZE_MAX)
            .build()
            .map_err(|_| format!("the regular expression `{text}` is not understood"))?;
        Ok(Self { regex, negated: false, like })
    }

    /// Returns the pattern with the opposite meaning.
    pub(super) fn negated(self) -> Self {
        Self { negated: !self.negated, ..self }
    }

    /// Returns whether the pattern lets `text` pass.
    pub(super) fn allows(&self, text: &str) -> bool {
        self.regex.is_match(text) != self.negated
    }

    /// Fills the gaps of a pattern of LIKE with the first characters of `text`, so that at most `max` are used in all.
    pub(super) fn filled(&self, text: &str, max: usize) -> Option<String> {
        let like = self.like.as_ref().filter(|_| !self.negated)?;
        let fixed = like.chars().filter(|sign| *sign != '%').count();
        let room = max.saturating_sub(fixed) / like.matches('%').count().max(1);
        let part: String = text.chars().take(room).collect();
        Some(like.replace('_', "x").replace('%', &part))
    }
}

fn from_like(text: &str) -> String {
    let mut source = String::from("(?s)^");
    for sign in text.chars() {
        match sign {
            '%' => source.push_str(".*"),
            '_' => source.push('.'),
            other => source.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    source.push('$');
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_like_are_matched_as_the_database_does() {
        for (text, pattern, fits) in [
            ("anna@example.com", "%@%", true),
            ("anna@example.com", "_%@_%._%", true),
            ("abc", "a_c", true),
            ("abc", "a_", false),
            ("", "%", true),
            ("abc", "ABC", false),
            ("a.c", "a.c", true),
            ("abc", "a.c", false),
            ("a\nb", "a%b", true),
        ] {
            let read = Pattern::new(pattern, Syntax::Like, false).unwrap();
            assert_eq!(read.allows(text), fits, "{text} {pattern}");
            assert_eq!(read.negated().allows(text), !fits, "{text} {pattern}");
        }
        assert!(Pattern::new("A%", Syntax::Like, true).unwrap().allows("abc"));
    }

    #[test]
    fn regular_expressions_that_only_the_server_knows_are_not_understood() {
        assert!(Pattern::new("^[a-z]+$", Syntax::Regex, true).unwrap().allows("ABC"));
        for text in [r"\mword\M", r"(a)\1", "(?=a)b", "("] {
            let why = Pattern::new(text, Syntax::Regex, false).unwrap_err();
            assert_eq!(why, format!("the regular expression `{text}` is not understood"));
        }
    }

    #[test]
    fn gaps_are_filled_within_the_length() {
        let pattern = Pattern::new("A-%_", Syntax::Like, false).unwrap();
        assert_eq!(pattern.filled("Lamp", 5).as_deref(), Some("A-Lax"));
        assert_eq!(pattern.negated().filled("Lamp", 5), None);
    }
}
