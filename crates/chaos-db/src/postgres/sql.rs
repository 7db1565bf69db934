//! Names and values as SQL text. Every name and value that comes from outside passes through here.

use postgres_protocol::escape::{escape_identifier, escape_literal};

/// Returns a name, quoted.
pub fn ident(name: &str) -> String {
    escape_identifier(name)
}

/// Returns `schema.name`, both quoted.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// Returns a value as a string literal.
pub fn literal(value: &str) -> String {
    // The driver puts a blank in front of `E'…'` literals, which is right within a statement.
    escape_literal(value)
}

/// Returns names, quoted and separated by commas.
pub fn idents<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// Returns values as string literals, separated by commas.
pub fn literals<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    values.into_iter().map(literal).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_sql_stays_a_name() {
        assert_eq!(qualified("Order", r#"a"; DROP TABLE t; --"#), r#""Order"."a""; DROP TABLE t; --""#);
    }

    #[test]
    fn a_value_with_quotes_and_backslashes_stays_a_value() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r" E'a\\''b'");
    }
}
