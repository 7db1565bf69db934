//! What a CREATE TABLE statement declares that no pragma tells: CHECK constraints, and the kinds of columns.

use crate::schema::{Check, ColumnKind};

/// Returns the kind of a column by its declared type, as SQLite derives the affinity from it. In a STRICT table the
/// types are what they say.
pub(super) fn kind(declared: &str) -> ColumnKind {
    let (name, numbers) = split_type(declared);
    let first = numbers.first().copied();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    match name.as_str() {
        "" | "ANY" => return ColumnKind::Any,
        "TINYINT" if first == Some(1) => return ColumnKind::Bool,
        "TINYINT" | "INT2" | "SMALLINT" => return ColumnKind::Int(16),
        "MEDIUMINT" => return ColumnKind::Int(32),
        "DATE" => return ColumnKind::Date,
        "TIME" => return ColumnKind::Time { zoned: false },
        "UUID" | "GUID" => return ColumnKind::Uuid,
        "JSON" | "JSONB" => return ColumnKind::Json { binary: false },
        _ => {}
    }
    if has(&["BOOL"]) {
        ColumnKind::Bool
    } else if has(&["DATETIME", "TIMESTAMP"]) {
        ColumnKind::Timestamp { zoned: false }
    } else if has(&["INT"]) {
        ColumnKind::Int(64)
    } else if has(&["CHAR", "CLOB", "TEXT", "STRING"]) {
        ColumnKind::Text { max: first, padded: false }
    } else if has(&["BLOB"]) {
        ColumnKind::Bytes
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        ColumnKind::Float(64)
    } else if has(&["DECIMAL", "NUMERIC", "MONEY", "NUMBER"]) {
        let small = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
        ColumnKind::Numeric {
            precision: first.map(small),
            scale: numbers.get(1).copied().map_or(if first.is_some() { 0 } else { 2 }, small),
        }
    } else {
        ColumnKind::Any
    }
}

/// Splits `VARCHAR(20)` into its name in capitals and its numbers.
fn split_type(declared: &str) -> (String, Vec<u32>) {
    let upper = declared.to_uppercase();
    let (name, rest) = upper.split_once('(').unwrap_or((&upper, ""));
    let numbers = rest.trim_end_matches(')').split(',').filter_map(|number| number.trim().parse().ok());
    (name.trim().to_owned(), numbers.collect())
}

/// Returns the CHECK constraints of a CREATE TABLE statement, with their names where they have one.
pub(super) fn checks(sql: &str) -> Vec<Check> {
    let pieces = pieces(sql);
    let mut found = Vec::new();
    let mut name = String::new();
    for (place, piece) in pieces.iter().enumerate() {
        if piece.is_keyword("CONSTRAINT") {
            name = pieces.get(place + 1).map(|next| next.text.to_owned()).unwrap_or_default();
        } else if piece.is_keyword("CHECK") {
            let group = pieces.get(place + 1).filter(|next| next.kind == Kind::Group);
            // Without a group behind it the text is not what SQLite has accepted; then nothing in it is trusted.
            let expression = group.map_or_else(|| sql.to_owned(), |group| group.text.to_owned());
            let name = std::mem::take(&mut name).trim_matches(['"', '`', '[', ']', '\'']).to_owned();
            found.push(Check { name, columns: Vec::new(), expression });
        }
    }
    found
}

/// Returns the expressions of the generated columns of a CREATE TABLE statement.
pub(super) fn computations(sql: &str) -> Vec<String> {
    let pieces = pieces(sql);
    let expression = |pair: &[Piece<'_>]| {
        (pair[0].is_keyword("AS") && pair[1].kind == Kind::Group).then(|| pair[1].text.to_owned())
    };
    pieces.windows(2).filter_map(expression).collect()
}

/// Returns whether `name` stands as a word in an SQL text, quoted or not.
pub(crate) fn mentions(sql: &str, name: &str) -> bool {
    let bytes = sql.as_bytes();
    let lower = sql.to_ascii_lowercase();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    lower.match_indices(&name.to_ascii_lowercase()).any(|(start, found)| {
        let before = start.checked_sub(1).and_then(|place| bytes.get(place));
        let after = bytes.get(start + found.len());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Quoted,
    /// `( … )`, brackets included.
    Group,
}

struct Piece<'a> {
    kind: Kind,
    text: &'a str,
}

impl Piece<'_> {
    fn is_keyword(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }
}

/// Cuts the list of columns and constraints into words, quoted names and groups in brackets.
fn pieces(sql: &str) -> Vec<Piece<'_>> {
    let Some(open) = end_of_header(sql) else { return Vec::new() };
    let mut found = Vec::new();
    let mut place = open + 1;
    while let Some(first) = sql[place..].chars().next() {
        let length = match first {
            '(' => group_length(&sql[place..]),
            _ => token_length(&sql[place..]),
        };
        let text = &sql[place..place + length];
        match first {
            '(' => found.push(Piece { kind: Kind::Group, text }),
            '"' | '`' | '[' | '\'' => found.push(Piece { kind: Kind::Quoted, text }),
            _ if first.is_alphabetic() || first == '_' => found.push(Piece { kind: Kind::Word, text }),
            _ => {}
        }
        place += length;
    }
    found
}

/// Returns where the list of columns begins.
fn end_of_header(sql: &str) -> Option<usize> {
    let mut place = 0;
    while let Some(first) = sql[place..].chars().next() {
        if first == '(' {
            return Some(place);
        }
        place += token_length(&sql[place..]);
    }
    None
}

/// Returns how long the group at the start of `text` is, brackets included.
fn group_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut place = 0;
    while let Some(first) = text[place..].chars().next() {
        match first {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        place += token_length(&text[place..]);
        if depth == 0 {
            break;
        }
    }
    place
}

/// Returns how long the word, quoted text, comment or sign at the start of `text` is.
fn token_length(text: &str) -> usize {
    let until =
        |end: &str, skip: usize| text[skip..].find(end).map_or(text.len(), |place| skip + place + end.len());
    match text.chars().next() {
        // A doubled quote is read as two quoted texts, which ends at the same place.
        Some('\'') => until("'", 1),
        Some('"') => until("\"", 1),
        Some('`') => until("`", 1),
        Some('[') => until("]", 1),
        Some('-') if text.starts_with("--") => until("\n", 2),
        Some('/') if text.starts_with("/*") => until("*/", 2),
        Some(first) if first.is_alphanumeric() || first == '_' => {
            text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len())
        }
        Some(first) => first.len_utf8(),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_have_the_kind_that_people_mean() {
        use ColumnKind as K;
        for (declared, expected) in [
            ("INTEGER", K::Int(64)),
            ("unsigned big int", K::Int(64)),
            ("smallint", K::Int(16)),
            ("TINYINT(1)", K::Bool),
            ("VARCHAR(20)", K::Text { max: Some(20), padded: false }),
            ("text", K::Text { max: None, padded: false }),
            ("DECIMAL(10, 2)", K::Numeric { precision: Some(10), scale: 2 }),
            ("numeric", K::Numeric { precision: None, scale: 2 }),
            ("DOUBLE PRECISION", K::Float(64)),
            ("DATETIME", K::Timestamp { zoned: false }),
            ("date", K::Date),
            ("BLOB", K::Bytes),
            ("", K::Any),
            ("GEOMETRY", K::Any),
        ] {
            assert_eq!(kind(declared), expected, "{declared}");
        }
    }

    #[test]
    fn checks_are_found_and_quoted_text_is_not_taken_for_one() {
        let sql = r#"CREATE TABLE "odd ( name" (
            id INTEGER PRIMARY KEY, -- CHECK (comment > 1)
            price REAL CONSTRAINT "price ok" CHECK (price > 0 AND note <> 'a)b'),
            "check" TEXT DEFAULT 'CHECK (x)', /* CHECK (y) */
            note VARCHAR(20), CHECK (length(note) < 20))"#;
        let found: Vec<(String, String)> =
            checks(sql).into_iter().map(|check| (check.name, check.expression)).collect();
        let expected = [("price ok", "(price > 0 AND note <> 'a)b')"), ("", "(length(note) < 20)")];
        assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn a_name_is_found_as_a_whole_word_only() {
        assert!(mentions("CREATE UNIQUE INDEX i ON t (lower(\"Email\"))", "email"));
        assert!(!mentions("lower(email_address)", "email"));
        assert!(!mentions("x", "email"));
    }
}
