//! Names as SQL text. Every name that comes from outside passes through here.

/// Returns a name, quoted.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a table of the file itself, quoted, so that nothing attached or temporary can be meant.
pub(crate) fn table(name: &str) -> String {
    format!("main.{}", ident(name))
}

/// Returns names, quoted and separated by commas, each behind `prefix`.
pub(crate) fn idents<'a>(prefix: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("{prefix}{}", ident(name))).collect::<Vec<_>>().join(", ")
}

/// Joins many terms with `AND` or `+`. SQLite refuses expressions that are nested too deep, and a plain list counts as
/// one level for each term, so the list is folded in halves.
pub(crate) fn join(terms: &[String], operator: &str) -> String {
    const PLAIN_MAX: usize = 8;
    if terms.len() <= PLAIN_MAX {
        return terms.join(&format!(" {operator} "));
    }
    let (left, right) = terms.split_at(terms.len() / 2);
    format!("({}) {operator} ({})", join(left, operator), join(right, operator))
}

/// Returns `count` places for values: `?, ?, ?`.
pub(crate) fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_sql_stays_a_name() {
        assert_eq!(table(r#"a"; DROP TABLE t; --"#), r#"main."a""; DROP TABLE t; --""#);
        assert_eq!(idents("t.", ["a", "b"]), r#"t."a", t."b""#);
        assert_eq!(places(3), "?, ?, ?");
        let terms: Vec<String> = (0..9).map(|term| term.to_string()).collect();
        assert_eq!(join(&terms[..3], "AND"), "0 AND 1 AND 2");
        assert_eq!(join(&terms, "+"), "(0 + 1 + 2 + 3) + (4 + 5 + 6 + 7 + 8)");
    }
}
