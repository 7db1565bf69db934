//! By what the rows of a step are known, chosen before the first of them exists.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::postgres::sql;

/// By what the rows of a step differ from all others, beside the transaction that made them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Key {
    /// A range of whole numbers in one column.
    Numbers {
        /// The column.
        column: String,
        /// The first number.
        first: i64,
        /// The last number.
        last: i64,
    },
    /// A range of UUIDs in one column: one random start, counted on.
    Uuids {
        /// The column.
        column: String,
        /// The number of the first 60 free bits, the same for all rows.
        prefix: u64,
        /// How many rows there are.
        rows: u64,
    },
    /// A text in one column that holds this tag.
    Tag {
        /// The column.
        column: String,
        /// The tag.
        tag: String,
    },
    /// Nothing of their own: they are known by the transaction alone.
    Transaction,
}

impl Key {
    /// Returns the condition that every row of the step fulfils, as SQL.
    pub fn condition(&self) -> String {
        match self {
            Self::Numbers { column, first, last } => range(column, first, last),
            Self::Uuids { column, prefix, rows } => uuid_range(column, *prefix, 0, rows.saturating_sub(1)),
            Self::Tag { column, tag } => {
                format!("strpos({}::text, {}) > 0", sql::ident(column), sql::literal(tag))
            }
            Self::Transaction => "true".to_owned(),
        }
    }

    /// Returns the condition of rows `from` to `to` (the last one included) of the step; `None` where rows have no order.
    pub fn part(&self, from: u64, to: u64) -> Option<String> {
        match self {
            Self::Numbers { column, first, .. } => {
                Some(range(column, &first.saturating_add_unsigned(from), &first.saturating_add_unsigned(to)))
            }
            Self::Uuids { column, prefix, .. } => Some(uuid_range(column, *prefix, from, to)),
            Self::Tag { .. } | Self::Transaction => None,
        }
    }

    /// Returns the column that tells the rows apart.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Numbers { column, .. } | Self::Uuids { column, .. } | Self::Tag { column, .. } => {
                Some(column)
            }
            Self::Transaction => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers { column, first, last } => write!(f, "{column} {first} to {last}"),
            Self::Uuids { column, prefix, .. } => write!(f, "{column} {} and on", uuid(*prefix, 0)),
            Self::Tag { column, tag } => write!(f, "{column} with `{tag}` in it"),
            Self::Transaction => f.write_str("known by their transaction"),
        }
    }
}

fn range(column: &str, first: &impl fmt::Display, last: &impl fmt::Display) -> String {
    format!("{} BETWEEN {first} AND {last}", sql::ident(column))
}

fn uuid_range(column: &str, prefix: u64, from: u64, to: u64) -> String {
    let (first, last) = (uuid(prefix, from), uuid(prefix, to));
    format!("{} BETWEEN '{first}'::uuid AND '{last}'::uuid", sql::ident(column))
}

/// Returns the UUID of a row: 60 bits of the prefix, version 4, and the number of the row at the end.
pub fn uuid(prefix: u64, row: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-8000-{row:012x}",
        (prefix >> 28) & 0xffff_ffff,
        (prefix >> 12) & 0xffff,
        prefix & 0xfff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_of_a_step_are_counted_on_within_its_range() {
        assert_eq!(uuid(0x0123_4567_89ab_cdef, 0), "12345678-9abc-4def-8000-000000000000");
        assert_eq!(uuid(0x0123_4567_89ab_cdef, 255), "12345678-9abc-4def-8000-0000000000ff");
        let key = Key::Uuids { column: "Id".to_owned(), prefix: 0, rows: 3 };
        let expected = "\"Id\" BETWEEN '00000000-0000-4000-8000-000000000000'::uuid AND '00000000-0000-4000-8000-000000000002'::uuid";
        assert_eq!(key.condition(), expected);
    }

    #[test]
    fn a_part_of_a_range_of_numbers_is_a_range() {
        let key = Key::Numbers { column: "id".to_owned(), first: 100, last: 199 };
        assert_eq!(key.part(10, 19).unwrap(), "\"id\" BETWEEN 110 AND 119");
        assert_eq!(Key::Transaction.part(0, 1), None);
    }

    #[test]
    fn a_step_with_a_key_survives_the_journal() {
        let key = Key::Tag { column: "code".to_owned(), tag: "a'b".to_owned() };
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<Key>(&text).unwrap(), key);
        assert_eq!(key.condition(), "strpos(\"code\"::text, 'a''b') > 0");
    }
}
