//! Literals of constraints.

use super::calendar::parse_day;

/// A literal value in a constraint.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    /// A number.
    Number(f64),
    /// Text; also what PostgreSQL casts to another type.
    Text(String),
    /// TRUE or FALSE.
    Bool(bool),
}

impl Literal {
    /// Returns the literal as a number, also from text such as `'-5'`.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            Self::Bool(_) => None,
        }
    }

    /// Returns the literal as days since 1970-01-01, from text that begins with a date.
    pub(super) fn day(&self) -> Option<f64> {
        match self {
            // Days of the calendar are far below the exact range of a float.
            Self::Text(text) => parse_day(text).map(|day| day as f64),
            Self::Number(_) | Self::Bool(_) => None,
        }
    }

    /// Returns the literal as the database writes it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Bool(true) => "t".to_owned(),
            Self::Bool(false) => "f".to_owned(),
        }
    }
}
