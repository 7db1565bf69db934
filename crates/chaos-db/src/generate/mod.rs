//! Makes realistic rows: seeded, by type and name of each column, within the constraints of the table.
//!
//! [`Needs`] says what a caller must look up before (free numbers, parent rows), [`RowPlan`] then makes any row from
//! its number alone. What it cannot promise to make is an [`Obstacle`], found before the first row is written.

mod build;
mod calendar;
pub mod change;
mod check;
mod choose;
mod choose_text;
mod limits;
mod literal;
mod mix;
mod needs;
mod numbers;
mod pattern;
mod plan;
mod pool;
mod rule;
mod text;
mod token;
mod value;
mod words;

use std::fmt;

pub use needs::Needs;
pub use plan::{KeyPlan, Omitted, RowPlan};

/// One value of a row, in the storage classes of SQLite.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Real(f64),
    /// Text.
    Text(String),
    /// Raw bytes.
    Blob(Vec<u8>),
}

/// Why rows for a table cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What stands in the way: `column "geom"`, `check "price_ok"`.
    pub what: String,
    /// Why: `type "geometry" is not known`.
    pub why: String,
}

impl Obstacle {
    pub(crate) fn column(name: &str, why: impl Into<String>) -> Self {
        Self { what: format!("column `{name}`"), why: why.into() }
    }

    pub(crate) fn check(name: &str, why: impl Into<String>) -> Self {
        let what = if name.is_empty() { "a check constraint".to_owned() } else { format!("check `{name}`") };
        Self { what, why: why.into() }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}
