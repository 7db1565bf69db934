//! A plan that makes the rows of one table, any of them, from its number alone.

use std::collections::HashMap;

use crate::schema::Table;

use super::build::{Builder, Made};
use super::mix::{at, below};
use super::pool::Pool;
use super::value::{Value, copy_escape, escape};
use super::{Cell, Obstacle};

/// How many rows lie between two NULLs, on average.
const NULL_EVERY: u64 = 16;

/// By what the rows to be made differ from those that exist and from those of other runs.
#[derive(Debug, Clone, Default)]
pub struct KeyPlan {
    /// A short text of digits and small letters that no other run uses; it goes into unique texts.
    pub tag: String,
    /// How many rows will be made.
    pub rows: u64,
    /// For each column in [`super::Needs::numbers`] the first of `rows` numbers that nobody uses.
    pub first_numbers: HashMap<String, i64>,
}

/// A column that is left to its default, or to NULL, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Omitted {
    /// The column.
    pub column: String,
    /// Why no value is made for it.
    pub why: String,
}

/// Makes the rows of one table. Row 5 is always the same row, whoever asks, in whatever order.
#[derive(Debug, Clone)]
pub struct RowPlan {
    columns: Vec<(String, Source)>,
    groups: Vec<ParentGroup>,
    omitted: Vec<Omitted>,
}

/// How the cells of one column are made.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) salt: u64,
    pub(super) nullable: bool,
    pub(super) from: Origin,
}

/// Where a column takes its values from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// Makes them.
    Made(Value),
    /// From the parent rows of a foreign key: the group, and the place of the column in it.
    Parent { group: usize, place: usize },
    /// Nowhere: always NULL.
    Nothing,
}

/// The parent rows of one foreign key.
#[derive(Debug, Clone)]
pub(super) struct ParentGroup {
    pub(super) salt: u64,
    /// Whether each parent is used once, by the row of the same number.
    pub(super) one_each: bool,
    /// One pool for each column of the key, escaped for COPY.
    pub(super) texts: Vec<Pool>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl ParentGroup {
    #[inline]
    fn choose(&self, row: u64) -> u64 {
        if self.one_each {
            row % self.rows.len() as u64
        } else {
            below(at(self.salt, row), self.rows.len() as u64)
        }
    }
}

impl RowPlan {
    /// Decides how each column of `table` is filled.
    ///
    /// `parents` holds, by name of the foreign key, rows with the values of its parent columns.
    ///
    /// # Errors
    /// Everything that stands in the way, one obstacle each.
    pub fn new(
        table: &Table,
        keys: &KeyPlan,
        parents: &HashMap<String, Vec<Vec<Cell>>>,
        seed: u64,
    ) -> Result<Self, Vec<Obstacle>> {
        let Made { columns, groups, omitted } = Builder::new(table, keys, parents, seed)?.build()?;
        Ok(Self { columns, groups, omitted })
    }

    /// Returns the names of the columns that are written, in the order of the values.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the columns that are left out, generated ones aside.
    pub fn omitted(&self) -> &[Omitted] {
        &self.omitted
    }

    /// Appends row number `row` as one line of COPY text: tabs between values, `\N` for NULL, a line feed at the end.
    pub fn write_copy_text(&self, row: u64, out: &mut Vec<u8>) {
        for (index, (_, source)) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b'\t');
            }
            let bits = at(source.salt, row);
            if source.is_null(bits) {
                out.extend_from_slice(b"\\N");
                continue;
            }
            match &source.from {
                Origin::Made(value) => {
                    let start = out.len();
                    value.write(bits, row, out);
                    escape(out, start, copy_escape);
                }
                Origin::Parent { group, place } => {
                    let group = &self.groups[*group];
                    out.extend_from_slice(group.texts[*place].get(group.choose(row)));
                }
                Origin::Nothing => out.extend_from_slice(b"\\N"),
            }
        }
        out.push(b'\n');
    }

    /// Returns row number `row` as values to bind.
    pub fn cells(&self, row: u64) -> Vec<Cell> {
        self.columns.iter().map(|(_, source)| self.cell(source, row)).collect()
    }

    fn cell(&self, source: &Source, row: u64) -> Cell {
        let bits = at(source.salt, row);
        if source.is_null(bits) {
            return Cell::Null;
        }
        match &source.from {
            Origin::Made(value) => value.cell(bits, row),
            Origin::Parent { group, place } => {
                let group = &self.groups[*group];
                group.rows[group.choose(row) as usize][*place].clone()
            }
            Origin::Nothing => Cell::Null,
        }
    }
}

impl Source {
    #[inline]
    fn is_null(&self, bits: u64) -> bool {
        // The lowest bits decide here; values are drawn from the highest.
        self.nullable && bits.is_multiple_of(NULL_EVERY)
    }
}

#[cfg(test)]
mod tests;
