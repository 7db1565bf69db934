//! References in configuration: `${VAR}`, `${VAR:-default}` and `file:/path`.
//!
//! They are resolved as late as possible, when a target is about to be reached, and the unresolved value is what the
//! journal keeps. What they resolve to is never part of an error.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::node::{Segment, path_text};
use super::{Document, Node, Problem};

/// How large a file with a secret may be. A certificate chain fits; a disk image by mistake does not.
const FILE_MAX: u64 = 64 * 1024;

/// A reference that cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (in `{}`)", path_text(path))]
pub struct ReferenceError {
    /// Where in the value it stands.
    pub path: Vec<Segment>,
    /// What is wrong, without any value.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Returns `value` with every reference replaced by what it stands for, as text:
///
/// - `${VAR}` by the variable, anywhere in a text;
/// - `${VAR:-default}` the same, or by the default where the variable is unset or empty;
/// - a whole text `file:/path` by the content of that file, without its last line break;
/// - `$${` by `${`.
///
/// `env` looks a variable up. What is put in is not looked through again. A password that becomes part of a URL must be
/// percent-encoded in its variable.
///
/// # Errors
/// When a variable is not set, a file cannot be read, or a reference is malformed.
pub fn resolve(value: &Value, env: &dyn Fn(&str) -> Option<String>) -> Result<Value, ReferenceError> {
    map_texts(value, &mut Vec::new(), &|text| match text.strip_prefix("file:") {
        Some(path) => read_secret(&expand(path, env)?),
        None => expand(text, env),
    })
}

/// Returns `value` with `$${` replaced by `${`, and refuses references: for what is written to the journal in full and
/// must therefore not hold a secret.
///
/// # Errors
/// When a text holds a reference.
pub fn without_references(value: &Value) -> Result<Value, ReferenceError> {
    let refuse = |name: &str| {
        let message = format!("`${{{name}}}` cannot be used here, because this is kept in the journal");
        let hint = "references work below `target_config`; for the characters themselves write `$${`";
        Err((message, hint.to_owned()))
    };
    map_texts(value, &mut Vec::new(), &|text| expand_with(text, &|name, _| refuse(name)))
}

/// Checks how the references in `value` are written, not what they stand for.
///
/// # Errors
/// When one is malformed.
pub fn check_syntax(value: &Value) -> Result<(), ReferenceError> {
    map_texts(value, &mut Vec::new(), &|text| expand(text, &|_| Some(String::new()))).map(drop)
}

impl Document {
    /// Makes the problem of a reference in the value that `node` became.
    pub fn reference_problem(&self, node: &Node, error: &ReferenceError) -> Problem {
        self.problem(node.span_at(&error.path), "here", &error.message).help(&error.hint)
    }
}

/// A message and a hint.
type Trouble = (String, String);

/// Gives a variable, of this name and with this default, its value.
type Lookup<'a> = dyn Fn(&str, Option<&str>) -> Result<String, Trouble> + 'a;

fn map_texts(
    value: &Value,
    path: &mut Vec<Segment>,
    change: &dyn Fn(&str) -> Result<String, Trouble>,
) -> Result<Value, ReferenceError> {
    match value {
        Value::String(text) => match change(text) {
            Ok(text) => Ok(Value::String(text)),
            Err((message, hint)) => Err(ReferenceError { path: path.clone(), message, hint }),
        },
        Value::Array(items) => {
            let changed = items.iter().enumerate().map(|(index, item)| {
                below(Segment::Index(index), path, |path| map_texts(item, path, change))
            });
            changed.collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(entries) => {
            let changed = entries.iter().map(|(key, value)| {
                let value = below(Segment::Key(key.clone()), path, |path| map_texts(value, path, change))?;
                Ok((key.clone(), value))
            });
            changed.collect::<Result<_, _>>().map(Value::Object)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
    }
}

fn below<T>(segment: Segment, path: &mut Vec<Segment>, inside: impl FnOnce(&mut Vec<Segment>) -> T) -> T {
    path.push(segment);
    let result = inside(path);
    path.pop();
    result
}

fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Trouble> {
    expand_with(text, &|name, default| match (env(name), default) {
        (Some(value), _) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (Some(empty), None) => Ok(empty),
        (None, None) => {
            let message = format!("the environment variable `{name}` is not set");
            Err((message, format!("set it, or give a default: `${{{name}:-default}}`")))
        }
    })
}

fn expand_with(text: &str, lookup: &Lookup<'_>) -> Result<String, Trouble> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if let Some(before) = rest[..start].strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        expanded.push_str(&rest[..start]);
        let Some((inside, after)) = rest[start + 2..].split_once('}') else {
            let hint = "write `${NAME}`; for the characters themselves write `$${`";
            return Err(("a `${` has no `}`".to_owned(), hint.to_owned()));
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_name(name) {
            let hint = "a name is made of letters, digits and `_`; write `${NAME}` or `${NAME:-default}`";
            return Err((
                "what stands in a `${…}` is not the name of a variable".to_owned(),
                hint.to_owned(),
            ));
        }
        expanded.push_str(&lookup(name, default)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn read_secret(path: &str) -> Result<String, Trouble> {
    if !Path::new(path).is_absolute() {
        let message = format!("the path of `file:{path}` is not absolute");
        // Undo may happen from another directory.
        return Err((message, "write the whole path, as in `file:/run/secrets/database-url`".to_owned()));
    }
    let unreadable = |error: std::io::Error| {
        (format!("the file `{path}` cannot be read: {error}"), "check its path and rights".to_owned())
    };
    let file = File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err((format!("`{path}` is not a file"), "name a file that holds the value".to_owned()));
    }
    let mut content = String::new();
    file.take(FILE_MAX + 1).read_to_string(&mut content).map_err(unreadable)?;
    if content.len() as u64 > FILE_MAX {
        let message = format!("the file `{path}` is larger than {} KiB", FILE_MAX / 1024);
        return Err((message, "name a file that holds the value and nothing else".to_owned()));
    }
    let line = content.strip_suffix('\n').unwrap_or(&content);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn env(name: &str) -> Option<String> {
        match name {
            "USER" => Some("me".to_owned()),
            "EMPTY" => Some(String::new()),
            "SLY" => Some("${USER} file:/etc/passwd".to_owned()),
            _ => None,
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(resolve(&json!(text), &env).unwrap(), json!(expected));
    }

    #[track_caller]
    fn check_refused(value: Value, expected: &str) {
        let error = resolve(&value, &env).unwrap_err();
        assert!(!error.hint.is_empty());
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn variables_are_replaced_anywhere_in_a_text() {
        check("postgres://${USER}:x@h/${USER}", "postgres://me:x@h/me");
        check("${NONE:-a:-b}${EMPTY:-c}${EMPTY}", "a:-bc");
        check("cost: 5$ and $USER", "cost: 5$ and $USER");
    }

    #[test]
    fn a_doubled_dollar_keeps_the_reference_as_text() {
        check("$${USER} is ${USER}, $$${USER}", "${USER} is me, $${USER}");
    }

    #[test]
    fn what_a_variable_holds_is_not_looked_through_again() {
        check("${SLY}", "${USER} file:/etc/passwd");
        check("${NONE:-file:/etc/passwd}", "file:/etc/passwd");
    }

    #[test]
    fn an_unset_variable_is_an_error_that_says_where() {
        check_refused(
            json!({"hosts": [{"auth": "ok"}, {"auth": "a ${NONE}"}]}),
            "the environment variable `NONE` is not set (in `hosts[1].auth`)",
        );
    }

    #[test]
    fn a_malformed_reference_is_refused_without_repeating_it() {
        check_refused(json!("${hunter2 and more"), "a `${` has no `}` (in ``)");
        check_refused(json!("${hunter 2}"), "what stands in a `${…}` is not the name of a variable (in ``)");
        check_refused(json!("${}"), "what stands in a `${…}` is not the name of a variable (in ``)");
    }

    #[test]
    fn a_file_gives_its_content_without_the_last_line_break() {
        let path = std::env::temp_dir().join(format!("chaos-reference-{}", std::process::id()));
        std::fs::write(&path, "hunter2 ${USER}\n").unwrap();
        let resolved = resolve(&json!({"pw": format!("file:{}", path.display())}), &env);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(resolved.unwrap(), json!({"pw": "hunter2 ${USER}"}));
    }

    #[test]
    fn a_file_that_is_missing_relative_or_a_directory_is_refused() {
        check_refused(json!("file:secret"), "the path of `file:secret` is not absolute (in ``)");
        check_refused(json!(["file:/"]), "`/` is not a file (in `[0]`)");
        assert!(resolve(&json!("file:/no/such/file"), &env).is_err());
    }

    #[test]
    fn a_malformed_reference_is_found_without_its_value() {
        assert!(check_syntax(&json!({"url": "${UNCLOSED"})).is_err());
        assert!(check_syntax(&json!({"url": "${NOT-A-NAME}"})).is_err());
        assert!(check_syntax(&json!({"url": "x${UNSET_HERE}", "file": "file:/no/such/${DIR}"})).is_ok());
    }

    #[test]
    fn what_is_kept_in_the_journal_takes_no_reference() {
        let error = without_references(&json!({"value": "${PW}"})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`${PW}` cannot be used here, because this is kept in the journal (in `value`)"
        );
        assert_eq!(without_references(&json!(["$${PW}", 5])).unwrap(), json!(["${PW}", 5]));
    }
}
