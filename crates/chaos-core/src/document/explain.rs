//! Turns what serde says about a value into words for the person who wrote the file.

use super::node::plain_value;

/// How alike a word must be to be offered instead (0 to 1). Below this, guesses confuse more than they help.
const LIKENESS_MIN: f64 = 0.8;

/// A serde error, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Explained {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// What went wrong.
    pub kind: Kind,
}

/// What went wrong, as far as it matters to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// This key does not exist.
    UnknownKey(String),
    /// A key that must be there is not.
    MissingKey,
    /// Text was wanted, something else was found.
    WantsText,
    /// Anything else about the value itself.
    Value,
}

/// Explains `error`, the text of a serde error; `written` is the offending value as it stands in the file.
pub(super) fn explain(error: &str, written: Option<&str>) -> Explained {
    if let Some((key, expected)) = unknown(error, "field") {
        let message = format!("unknown key `{key}`");
        let help = choices(&key, &expected, "keys").or_else(|| Some("no keys are known here".to_owned()));
        return Explained { message, help, kind: Kind::UnknownKey(key) };
    }
    if let Some((word, expected)) = unknown(error, "variant") {
        let help = choices(&word, &expected, "values");
        return Explained { message: format!("unknown value `{word}`"), help, kind: Kind::Value };
    }
    if let Some(key) = error.strip_prefix("missing field ") {
        let message = format!("key {key} is missing");
        return Explained { message, help: None, kind: Kind::MissingKey };
    }
    match error.strip_prefix("invalid ").and_then(|rest| rest.split_once(", expected ")) {
        Some((found, expected)) => wrong_value(found, expected, written),
        None => Explained { message: error.to_owned(), help: None, kind: Kind::Value },
    }
}

fn wrong_value(found: &str, expected: &str, written: Option<&str>) -> Explained {
    let kind = match expected {
        "a string" => Kind::WantsText,
        _ => Kind::Value,
    };
    let wanted = in_words(expected);
    let is = match (written, found.split_once(": ").map_or(found, |(_, found)| found)) {
        (_, "map") => "found keys and values".to_owned(),
        (_, "sequence") => "found a list".to_owned(),
        (Some("") | None, "null") => "nothing is written here".to_owned(),
        (Some(written), _) if is_quoted(found, written) => format!("found the text `{written}`"),
        (Some(written), _) => format!("found `{written}`"),
        (None, found) => format!("found {found}"),
    };
    let help = match (expected, written) {
        ("a boolean", Some("yes" | "Yes" | "on" | "On" | "y")) => Some("write `true`".to_owned()),
        ("a boolean", Some("no" | "No" | "off" | "Off" | "n")) => Some("write `false`".to_owned()),
        (_, Some(written)) if is_quoted(found, written) => Some("write it without quotes".to_owned()),
        ("a string", Some(written)) if !written.is_empty() => Some("put it in quotes".to_owned()),
        _ => None,
    };
    Explained { message: format!("expected {wanted}, {is}"), help, kind }
}

/// Whether something that is no text was written as one: in quotes, or with a tag.
fn is_quoted(found: &str, written: &str) -> bool {
    found.contains("string ") && !written.is_empty() && !plain_value(written).is_string()
}

fn in_words(expected: &str) -> String {
    let from = |min: u8, max: u64| format!("a whole number from {min} to {max}");
    let unsigned = |max: u64| from(0, max);
    match expected {
        "u8" => unsigned(u8::MAX.into()),
        "u16" => unsigned(u16::MAX.into()),
        "u32" => unsigned(u32::MAX.into()),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "keys and values".to_owned(),
        _ if expected.starts_with("struct ") || expected.starts_with("internally tagged enum") => {
            "keys and values".to_owned()
        }
        "a nonzero u8" => from(1, u8::MAX.into()),
        "a nonzero u16" => from(1, u16::MAX.into()),
        "a nonzero u32" => from(1, u32::MAX.into()),
        _ if expected.starts_with("a nonzero ") => "a whole number, 1 or more".to_owned(),
        _ => expected.to_owned(),
    }
}

/// Takes `unknown field `x`, expected one of `a`, `b`` apart.
fn unknown(error: &str, what: &str) -> Option<(String, Vec<String>)> {
    let rest = error.strip_prefix("unknown ")?.strip_prefix(what)?.strip_prefix(" `")?;
    let split = rest.rfind("`, expected ").or_else(|| rest.rfind("`, there are no "))?;
    let expected = rest[split + 1..].split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((rest[..split].to_owned(), expected))
}

fn choices(word: &str, valid: &[String], what: &str) -> Option<String> {
    if valid.is_empty() {
        return None;
    }
    Some(suggest(word, valid.iter().map(String::as_str), what))
}

/// Returns the help for a word that is not among the `valid` ones: "did you mean", and the list.
pub fn suggest<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>, what: &str) -> String {
    let valid: Vec<&str> = valid.into_iter().collect();
    let list = valid.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match closest(word, valid.iter().copied()) {
        Some(closest) => format!("did you mean `{closest}`? Known {what}: {list}"),
        None => format!("known {what}: {list}"),
    }
}

/// Returns the one of `valid` that is most like `word`, if one is alike at all.
pub fn closest<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let likeness = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        // Half a name is a common mistake too: `insert_load` for `db.insert_load`.
        let part = word.len() >= 4 && candidate.rsplit('.').next() == Some(&*word);
        if part { 1.0 } else { strsim::jaro_winkler(&word, &candidate) }
    };
    let scored = valid.into_iter().map(|candidate| (likeness(candidate), candidate));
    let best = scored.max_by(|(left, _), (right, _)| left.total_cmp(right))?;
    (best.0 >= LIKENESS_MIN).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_gets_a_suggestion_and_the_list() {
        let error = "unknown field `rows_per_tabel`, expected `rows_per_table` or `tables`";
        let explained = explain(error, None);
        assert_eq!(explained.message, "unknown key `rows_per_tabel`");
        assert_eq!(
            explained.help.as_deref(),
            Some("did you mean `rows_per_table`? Known keys: `rows_per_table`, `tables`")
        );
    }

    #[test]
    fn a_key_with_backticks_in_it_is_taken_apart_all_the_same() {
        let explained = explain("unknown field `a`, expected b`, expected one of `x`, `y`, `z`", None);
        assert_eq!(explained.kind, Kind::UnknownKey("a`, expected b".to_owned()));
        assert_eq!(explained.help.as_deref(), Some("known keys: `x`, `y`, `z`"));
    }

    #[test]
    fn where_no_key_is_known_that_is_said() {
        let explained = explain("unknown field `a`, there are no fields", None);
        assert_eq!(explained.help.as_deref(), Some("no keys are known here"));
    }

    #[test]
    fn rust_types_become_words() {
        let text = |error, written| explain(error, Some(written)).message;
        assert_eq!(
            text("invalid type: string \"012\", expected u32", "012"),
            "expected a whole number from 0 to 4294967295, found `012`"
        );
        assert_eq!(
            text("invalid value: integer `-5`, expected u64", "-5"),
            "expected a whole number, 0 or more, found `-5`"
        );
        assert_eq!(
            text("invalid type: null, expected a sequence", ""),
            "expected a list, nothing is written here"
        );
        let explained = explain("invalid type: string \"no\", expected a boolean", Some("no"));
        assert_eq!(explained.help.as_deref(), Some("write `false`"));
    }

    #[test]
    fn a_number_out_of_bounds_names_both_bounds_and_one_in_quotes_is_called_text() {
        let nonzero = explain("invalid value: integer `70000`, expected a nonzero u16", Some("70000"));
        assert_eq!(nonzero.message, "expected a whole number from 1 to 65535, found `70000`");
        let quoted = explain("invalid type: string \"2\", expected u16", Some("2"));
        assert_eq!(quoted.message, "expected a whole number from 0 to 65535, found the text `2`");
        assert_eq!(quoted.help.as_deref(), Some("write it without quotes"));
        let quoted = explain("invalid type: string \"true\", expected a boolean", Some("true"));
        assert_eq!(quoted.help.as_deref(), Some("write it without quotes"));
    }

    #[test]
    fn half_a_name_finds_the_whole_one() {
        assert_eq!(closest("insert_load", ["db.update_load", "db.insert_load"]), Some("db.insert_load"));
        assert_eq!(closest("kubernetes", ["database"]), None);
    }
}
