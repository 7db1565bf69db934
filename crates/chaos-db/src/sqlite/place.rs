//! Where an SQLite database lies, as people write it: a path or a URL.

use std::path::{Path, PathBuf};

use chaos_core::Failure;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

/// What a path may not hold as it is inside a URL.
const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');

const FORMS: &str = "write `sqlite:///absolute/path.db`, `sqlite:relative.db` or a plain path";

/// Where a database lies and whether it may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, as written.
    pub(super) path: PathBuf,
    /// `mode=ro`: no fault that writes may use it.
    pub(super) read_only: bool,
}

impl Place {
    /// Reads a connection URL or a plain path. No error quotes it: it may be the URL of a server, with its password.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let failure = || Failure::new("read the `connection_url`");
        let Some(rest) = text.strip_prefix("sqlite:") else {
            if let Some(why) = other_scheme(text) {
                return Err(failure().source(why).hint(FORMS));
            }
            return Self::new(text, false).ok_or_else(|| failure().source("it names no file").hint(FORMS));
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        if holds_credentials(path) {
            return Err(failure().source("a file has no user, no password and no host").hint(FORMS));
        }
        let path = percent_decode_str(path).decode_utf8().map_err(|source| failure().source(source))?;
        let read_only = read_only(query).map_err(|why| failure().source(why))?;
        if path.contains(":memory:") || query.contains("mode=memory") {
            let why =
                "a database in memory ends with its process, so nobody could come back to undo anything";
            return Err(failure().source(why).hint("use a file"));
        }
        Self::new(&path, read_only).ok_or_else(|| failure().source("it names no file").hint(FORMS))
    }

    fn new(path: &str, read_only: bool) -> Option<Self> {
        let names_a_file = !path.is_empty() && !path.contains('\0') && path != ":memory:";
        names_a_file.then(|| Self { path: PathBuf::from(path), read_only })
    }
}

/// Says why a text that does not begin with `sqlite:` is no plain path either.
fn other_scheme(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme =
        scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if is_scheme && (rest.starts_with("//") || ["postgres", "postgresql", "mysql"].contains(&scheme)) {
        return Some(format!("`{scheme}` is not SQLite"));
    }
    let is_url = rest.starts_with("//") && !scheme.contains('/');
    (is_url || holds_credentials(text)).then(|| "it is neither an SQLite URL nor a path".to_owned())
}

/// Whether a path looks like `user:password@host`. Such a file would have to be named by its absolute path.
fn holds_credentials(path: &str) -> bool {
    let colon = path.find(':');
    !path.starts_with('/') && colon.is_some_and(|colon| path[colon..].contains('@'))
}

fn read_only(query: &str) -> Result<bool, String> {
    let mut read_only = false;
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=').unwrap_or((option, "")) {
            ("mode", "ro") => read_only = true,
            // `rwc` would make a missing file; we open what is there, whatever is written.
            ("mode", "rw" | "rwc" | "memory") => {}
            ("mode", _) => return Err("`mode` is `ro` or `rw`".to_owned()),
            // Its value may be a secret.
            (other, _) => {
                return Err(format!("the option `{other}` is not known; there is `mode=ro` and `mode=rw`"));
            }
        }
    }
    Ok(read_only)
}

/// Says what is wrong with a URL as written. With references in it, only what they cannot change is looked at.
pub fn check(text: &str) -> Result<(), Failure> {
    let literal = text.find("${").map_or(text, |start| &text[..start]);
    if literal.len() == text.len() {
        return Place::parse(text).map(drop);
    }
    match other_scheme(literal) {
        Some(why) => Err(Failure::new("read the `connection_url`").source(why).hint(FORMS)),
        None => Ok(()),
    }
}

/// Returns whether a text as written names a file, so that no part of it is a password.
pub fn is_place(text: &str) -> bool {
    Place::parse(text).is_ok()
}

/// Puts the file that was used, `known` by its URL, in the place of a relative path: that one is meant from the working
/// directory of the run. Where nothing is there any more, the path stays as it is written.
pub fn recall(mut config: Value, known: &str) -> Value {
    let is_sqlite = config.get("db_type").and_then(Value::as_str) == Some("sqlite");
    if let Some(Value::String(text)) = config.get_mut("connection_url")
        && is_sqlite
        && let (Ok(written), Ok(known)) = (Place::parse(text), Place::parse(known))
        && written.path.is_relative()
        && known.path.exists()
    {
        *text = with_mode(url_of(&known.path), written.read_only);
    }
    config
}

fn with_mode(url: String, read_only: bool) -> String {
    if read_only { url + "?mode=ro" } else { url }
}

/// Returns the URL of an absolute path.
pub(super) fn url_of(path: &Path) -> String {
    format!("sqlite://{}", utf8_percent_encode(&path.to_string_lossy(), RESERVED))
}

/// Makes a relative path in the configuration of an SQLite target absolute, so that a recovery from another directory
/// finds the same file. References (`${VAR}`, `file:`) are left as they are.
pub fn absolute(mut config: Value) -> Value {
    let is_sqlite = config.get("db_type").and_then(Value::as_str) == Some("sqlite");
    if let Some(Value::String(text)) = config.get_mut("connection_url")
        && is_sqlite
        && !text.contains("${")
        && !text.starts_with("file:")
        && let Ok(place) = Place::parse(text)
        && place.path.is_relative()
        && let Ok(path) = std::path::absolute(&place.path)
    {
        *text = with_mode(url_of(&path), place.read_only);
    }
    config
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_names_its_file() {
        for (text, path, read_only) in [
            ("sqlite:///var/lib/shop.db", "/var/lib/shop.db", false),
            ("sqlite:/var/lib/shop.db", "/var/lib/shop.db", false),
            ("sqlite:shop.db", "shop.db", false),
            ("sqlite://shop.db?mode=rwc", "shop.db", false),
            ("sqlite:///a%20b%3f.db?mode=ro", "/a b?.db", true),
            ("/plain/100%.db", "/plain/100%.db", false),
            ("shop.db", "shop.db", false),
        ] {
            let expected = Place { path: PathBuf::from(path), read_only };
            assert_eq!(Place::parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for text in [
            "",
            "sqlite:",
            "sqlite://",
            ":memory:",
            "sqlite::memory:",
            "sqlite://x?mode=memory",
            "mysql://h/d",
        ] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
        let error = Place::parse("sqlite:a.db?mod=ro").unwrap_err();
        assert!(error.source.unwrap().to_string().contains("`mod`"));
    }

    #[test]
    fn no_message_about_a_bad_url_holds_its_password() {
        for text in [
            "postgres://u:hunter2@127.0.0.1:1/h",
            "postgres:/u:hunter2@h/d",
            "postgres:u/hunter2/h",
            "mysql://u:hunter2@h/db",
            "sqlite://u:hunter2@h/x.db",
            "sqlite:u:hunter2@h/x.db",
            "sqlite:///x.db?password=hunter2",
            "sqlite:///x.db?mode=hunter2",
            "u:hunter2@h/x.db",
        ] {
            let error = chaos_core::FaultError::Params(Place::parse(text).unwrap_err());
            assert!(!error.chain().contains("hunter2"), "{}", error.chain());
            assert!(!is_place(text));
        }
    }

    #[test]
    fn a_relative_path_means_the_file_that_was_used() {
        let directory = tempfile::tempdir().unwrap();
        let used = directory.path().join("a b.db");
        std::fs::write(&used, "").unwrap();
        let known = url_of(&used);
        let recalled = |url: &str| {
            let config = json!({"connection_url": url, "db_type": "sqlite"});
            recall(config, &known)["connection_url"].as_str().unwrap().to_owned()
        };
        assert_eq!(recalled("a b.db"), known);
        assert_eq!(recalled("sqlite:a%20b.db?mode=ro"), format!("{known}?mode=ro"));
        assert_eq!(recalled("sqlite:///other.db"), "sqlite:///other.db");
        std::fs::remove_file(&used).unwrap();
        assert_eq!(recalled("a b.db"), "a b.db");
    }

    #[test]
    fn a_url_with_references_is_judged_by_what_they_cannot_change() {
        for good in ["${URL}", "sqlite:${DIR}/x.db", "${DIR:-/tmp}/x.db", "data/${NAME}.db", "${A}:${B}@c.db"]
        {
            assert!(check(good).is_ok(), "{good}");
        }
        assert!(check("postgres://u:${PW}@h/d").is_err());
        assert!(check("").is_err());
    }

    #[test]
    fn a_relative_path_is_made_absolute_for_the_journal() {
        let here = std::env::current_dir().unwrap();
        let made = absolute(json!({"connection_url": "sqlite:a b.db?mode=ro", "db_type": "sqlite"}));
        let expected = format!("sqlite://{}/a%20b.db?mode=ro", here.display());
        assert_eq!(made["connection_url"], expected);
        assert_eq!(Place::parse(&expected).unwrap().path, here.join("a b.db"));
        for kept in ["sqlite:///x.db", "${SHOP}", "sqlite:${DIR}/x.db", "file:/run/shop-url"] {
            let config = json!({"connection_url": kept, "db_type": "sqlite"});
            assert_eq!(absolute(config.clone()), config);
        }
        let other = json!({"connection_url": "x.db", "db_type": "postgres"});
        assert_eq!(absolute(other.clone()), other);
    }
}
