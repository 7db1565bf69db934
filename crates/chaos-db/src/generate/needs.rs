//! What makes the rows of a table unique, and what a caller must look up for it.

use std::collections::HashSet;

use crate::schema::{Column, ColumnKind, ForeignKey, Table};

use super::Obstacle;

/// What must be known of the data of a table before rows can be made for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Columns that need a range of numbers (for numeric columns: whole numbers) that nobody uses.
    pub numbers: Vec<String>,
    /// Names of foreign keys that need parent rows to pick from.
    pub parents: Vec<String>,
    /// Names of foreign keys that need parent rows which no row of this table refers to, one for each row to be made.
    pub free_parents: Vec<String>,
    /// Columns that must differ in every row, those of `numbers` included.
    pub(super) distinct: HashSet<String>,
}

impl Needs {
    /// Decides by which columns the rows of `table` will differ.
    ///
    /// # Errors
    /// One obstacle for each key for which no column can do that.
    pub fn of(table: &Table) -> Result<Self, Vec<Obstacle>> {
        let mut needs = Self::default();
        let mut obstacles = Vec::new();
        let mut keys: Vec<&Vec<String>> = table.unique.iter().collect();
        keys.insert(0, &table.primary_key);
        // Keys of fewer columns leave less choice, and what they choose may serve the wider ones too.
        keys.sort_by_key(|key| key.len());
        for key in keys.into_iter().filter(|key| !key.is_empty()) {
            if let Err(obstacle) = needs.serve(table, key) {
                obstacles.push(obstacle);
            }
        }
        needs.parents = table
            .foreign_keys
            .iter()
            .map(|key| key.name.clone())
            .filter(|name| !needs.free_parents.contains(name))
            .collect();
        if obstacles.is_empty() { Ok(needs) } else { Err(obstacles) }
    }

    fn serve(&mut self, table: &Table, key: &[String]) -> Result<(), Obstacle> {
        let by_parent = |name: &String| {
            let foreign = table.foreign_keys.iter().find(|key| key.name == *name);
            foreign.is_some_and(|foreign| is_within(foreign, key))
        };
        if key.iter().any(|name| self.distinct.contains(name)) || self.free_parents.iter().any(by_parent) {
            return Ok(());
        }
        let own =
            key.iter().filter_map(|name| table.column(name)).filter(|column| !is_foreign(table, column));
        if let Some(column) =
            own.min_by_key(|column| rank(&column.kind)).filter(|column| rank(&column.kind) < NEVER)
        {
            if is_number(&column.kind) {
                self.numbers.push(column.name.clone());
            }
            self.distinct.insert(column.name.clone());
            return Ok(());
        }
        match table.foreign_keys.iter().find(|foreign| is_within(foreign, key)) {
            Some(foreign) => {
                self.free_parents.push(foreign.name.clone());
                Ok(())
            }
            None => Err(Obstacle {
                what: format!("unique key `{}`", key.join(", ")),
                why: "none of its columns has enough different values".to_owned(),
            }),
        }
    }
}

const NEVER: u8 = u8::MAX;

/// Orders kinds by how well they carry uniqueness.
fn rank(kind: &ColumnKind) -> u8 {
    match kind {
        ColumnKind::Int(32 | 64) => 0,
        ColumnKind::Uuid => 1,
        ColumnKind::Text { .. } => 2,
        ColumnKind::Timestamp { .. } => 3,
        ColumnKind::Numeric { .. } => 4,
        ColumnKind::Int(_) => 5,
        ColumnKind::Float(64) => 6,
        ColumnKind::Any => 7,
        ColumnKind::Bytes => 8,
        ColumnKind::Bool
        | ColumnKind::Float(_)
        | ColumnKind::Date
        | ColumnKind::Time { .. }
        | ColumnKind::Interval
        | ColumnKind::Json { .. }
        | ColumnKind::Inet
        | ColumnKind::Cidr
        | ColumnKind::MacAddr
        | ColumnKind::Bit { .. }
        | ColumnKind::Enum(_)
        | ColumnKind::Array(_)
        | ColumnKind::Range(_)
        | ColumnKind::Unsupported(_) => NEVER,
    }
}

fn is_number(kind: &ColumnKind) -> bool {
    matches!(kind, ColumnKind::Int(_) | ColumnKind::Numeric { .. } | ColumnKind::Float(_))
}

fn is_foreign(table: &Table, column: &Column) -> bool {
    table.foreign_keys.iter().any(|key| key.child_columns.contains(&column.name))
}

fn is_within(foreign: &ForeignKey, key: &[String]) -> bool {
    foreign.child_columns.iter().all(|column| key.contains(column))
}
