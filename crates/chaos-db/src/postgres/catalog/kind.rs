//! What values a type of the server takes.

use std::collections::HashMap;

use tokio_postgres::Row;

use crate::schema::{Check, ColumnKind};

/// Domains over domains and arrays of ranges of domains end somewhere; this is further than any of them.
const DEPTH_MAX: u8 = 32;

/// The types in use, by oid.
pub(super) struct Types(HashMap<u32, Type>);

struct Type {
    name: String,
    is_built_in: bool,
    form: Form,
    not_null: bool,
    checks: Vec<(String, String)>,
}

enum Form {
    Base,
    Domain { of: u32, modifier: i32 },
    Array { of: u32 },
    Range { of: u32 },
    Enum(Vec<String>),
    Other,
}

/// A type as one column uses it.
pub(super) struct Resolved {
    pub(super) kind: ColumnKind,
    /// Whether a domain on the way refuses NULL.
    pub(super) not_null: bool,
    /// The checks of the domains on the way, told of the column.
    pub(super) checks: Vec<Check>,
}

impl Types {
    /// Reads the answer to `types.sql`.
    pub(super) fn read(rows: &[Row]) -> Self {
        Self(rows.iter().map(|row| (row.get(0), Type::read(row))).collect())
    }

    /// Follows the type of a column down to what it is made of.
    pub(super) fn resolve(&self, oid: u32, modifier: i32, column: &str) -> Resolved {
        let (mut oid, mut modifier) = (oid, modifier);
        let (mut not_null, mut checks) = (false, Vec::new());
        for _ in 0..DEPTH_MAX {
            let Some(found) = self.0.get(&oid) else { break };
            let Form::Domain { of, modifier: of_domain } = found.form else { break };
            not_null |= found.not_null;
            checks.extend(found.checks.iter().map(|(name, expression)| Check {
                name: name.clone(),
                columns: vec![column.to_owned()],
                expression: about_column(expression, column),
            }));
            (oid, modifier) = (of, of_domain);
        }
        Resolved { kind: self.kind(oid, modifier, 0), not_null, checks }
    }

    fn kind(&self, oid: u32, modifier: i32, depth: u8) -> ColumnKind {
        let Some(found) = self.0.get(&oid).filter(|_| depth < DEPTH_MAX) else {
            return ColumnKind::Unsupported(format!("type {oid}"));
        };
        let unsupported = || ColumnKind::Unsupported(found.name.clone());
        let inner = |of: u32, modifier: i32| match self.kind(of, modifier, depth + 1) {
            ColumnKind::Unsupported(_) => None,
            kind => Some(Box::new(kind)),
        };
        match &found.form {
            Form::Base => base_kind(found, modifier).unwrap_or_else(unsupported),
            Form::Enum(labels) => ColumnKind::Enum(labels.clone()),
            // The modifier of an array is that of its elements.
            Form::Array { of } => inner(*of, modifier).map_or_else(unsupported, ColumnKind::Array),
            Form::Range { of } => inner(*of, -1).map_or_else(unsupported, ColumnKind::Range),
            // Here a domain is the element of something; its conditions cannot be told of the column.
            Form::Domain { of, modifier } if found.checks.is_empty() => {
                inner(*of, *modifier).map_or_else(unsupported, |kind| *kind)
            }
            Form::Domain { .. } | Form::Other => unsupported(),
        }
    }
}

impl Type {
    fn read(row: &Row) -> Self {
        let (form, is_array): (String, bool) = (row.get(3), row.get(4));
        let names: Vec<String> = row.get(11);
        let expressions: Vec<String> = row.get(12);
        let form = match form.as_str() {
            "d" => Form::Domain { of: row.get(5), modifier: row.get(6) },
            "e" => Form::Enum(row.get(10)),
            "r" => Form::Range { of: row.get(8) },
            "b" if is_array => Form::Array { of: row.get(7) },
            "b" => Form::Base,
            _ => Form::Other,
        };
        Self {
            name: row.get(1),
            is_built_in: row.get(2),
            form,
            not_null: row.get(9),
            checks: names.into_iter().zip(expressions).collect(),
        }
    }
}

fn base_kind(found: &Type, modifier: i32) -> Option<ColumnKind> {
    // The text type of a well-known extension behaves like text, but for case; our unique texts do not lean on case.
    if !found.is_built_in {
        return (found.name == "citext").then_some(ColumnKind::Text { max: None, padded: false });
    }
    let length = u32::try_from(modifier - 4).ok();
    Some(match found.name.as_str() {
        "bool" => ColumnKind::Bool,
        "int2" => ColumnKind::Int(16),
        "int4" => ColumnKind::Int(32),
        "int8" => ColumnKind::Int(64),
        "numeric" => return numeric(modifier),
        "float4" => ColumnKind::Float(32),
        "float8" => ColumnKind::Float(64),
        "text" => ColumnKind::Text { max: None, padded: false },
        "varchar" => ColumnKind::Text { max: length, padded: false },
        "bpchar" => ColumnKind::Text { max: length, padded: true },
        "name" => ColumnKind::Text { max: Some(63), padded: false },
        "uuid" => ColumnKind::Uuid,
        "date" => ColumnKind::Date,
        "time" => ColumnKind::Time { zoned: false },
        "timetz" => ColumnKind::Time { zoned: true },
        "timestamp" => ColumnKind::Timestamp { zoned: false },
        "timestamptz" => ColumnKind::Timestamp { zoned: true },
        "interval" => ColumnKind::Interval,
        "json" => ColumnKind::Json { binary: false },
        "jsonb" => ColumnKind::Json { binary: true },
        "bytea" => ColumnKind::Bytes,
        "inet" => ColumnKind::Inet,
        "cidr" => ColumnKind::Cidr,
        "macaddr" => ColumnKind::MacAddr,
        "bit" => ColumnKind::Bit { length: Some(u32::try_from(modifier).unwrap_or(1)), varying: false },
        "varbit" => ColumnKind::Bit { length: u32::try_from(modifier).ok(), varying: true },
        _ => return None,
    })
}

fn numeric(modifier: i32) -> Option<ColumnKind> {
    if modifier < 4 {
        return Some(ColumnKind::Numeric { precision: None, scale: 0 });
    }
    let packed = modifier - 4;
    // Eleven bits with a sign. A negative scale rounds to hundreds or thousands: too rare to be generated well.
    let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
    let precision = u16::try_from(packed >> 16).ok();
    u16::try_from(scale).ok().map(|scale| ColumnKind::Numeric { precision, scale })
}

/// Puts the quoted name of a column where the check of a domain says `VALUE`.
fn about_column(expression: &str, column: &str) -> String {
    let name = super::super::sql::ident(column);
    let mut text = String::new();
    let mut word = String::new();
    let mut quote = None;
    let flush = |word: &mut String, text: &mut String| {
        text.push_str(if word == "VALUE" { &name } else { word });
        word.clear();
    };
    for character in expression.chars() {
        if quote.is_none() && (character.is_alphanumeric() || character == '_') {
            word.push(character);
            continue;
        }
        flush(&mut word, &mut text);
        text.push(character);
        quote = match quote {
            Some(open) if open == character => None,
            None if matches!(character, '\'' | '"') => Some(character),
            same => same,
        };
    }
    flush(&mut word, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_of_a_domain_is_told_of_its_column() {
        let told = about_column("((VALUE)::text <> 'VALUE'::text) AND (MYVALUE(VALUE) > 0)", "Net price");
        assert_eq!(told, r#"(("Net price")::text <> 'VALUE'::text) AND (MYVALUE("Net price") > 0)"#);
    }

    #[test]
    fn the_modifier_of_a_numeric_holds_precision_and_scale() {
        let numeric_10_2 = ((10 << 16) | 2) + 4;
        assert_eq!(numeric(numeric_10_2), Some(ColumnKind::Numeric { precision: Some(10), scale: 2 }));
        let numeric_5_minus_2 = ((5 << 16) | 0x7fe) + 4;
        assert_eq!(numeric(numeric_5_minus_2), None);
    }
}
