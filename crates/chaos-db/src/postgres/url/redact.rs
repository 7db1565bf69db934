//! Takes the secrets out of a connection URL, before anybody else sees it.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// Takes literal passwords out of a configuration. References to secrets stay.
pub fn redact(config: &Value) -> Value {
    let mut config = config.clone();
    let is_sqlite = config.get("db_type").and_then(Value::as_str) == Some("sqlite");
    if let Some(Value::String(text)) = config.get_mut("connection_url") {
        // A file has no password, and its path may look like one.
        let is_file = is_sqlite && crate::sqlite::is_place(text);
        if !is_file {
            *text = redact_url(text);
        }
    }
    config
}

fn redact_url(text: &str) -> String {
    static DEFAULT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\$\{([A-Za-z_][A-Za-z0-9_]*):-([^}]*)\}").ok());
    static PARAMETER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"([?&](?:password|sslpassword)=)([^&}]*)").ok());
    let (Some(default), Some(parameter)) = (&*DEFAULT, &*PARAMETER) else { return String::new() };

    // The default of a reference is a literal. In front of `://` it is the whole URL, elsewhere it may be a password.
    let text = default.replace_all(text, |found: &regex::Captures<'_>| match found[2].contains("://") {
        true => format!("${{{}:-{}}}", &found[1], redact_password(&found[2])),
        false => format!("${{{}}}", &found[1]),
    });
    let text = redact_password(&text);
    let text = parameter.replace_all(&text, |found: &regex::Captures<'_>| match is_reference(&found[2]) {
        true => found[0].to_owned(),
        false => found[1].to_owned(),
    });
    text.into_owned()
}

/// Takes the password out of `scheme://user:password@host`.
fn redact_password(text: &str) -> String {
    let Some(start) = text.find("://").map(|place| place + 3) else { return text.to_owned() };
    // The last `@` ends the credentials: a password with a bare one in it must not be shown by half either.
    let Some(end) = text[start..].rfind('@').map(|place| start + place) else { return text.to_owned() };
    let Some(colon) = text[start..end].find(':').map(|place| start + place) else { return text.to_owned() };
    if is_reference(&text[colon + 1..end]) {
        return text.to_owned();
    }
    format!("{}{}", &text[..colon], &text[end..])
}

/// Whether a text is a reference to a secret, all of it.
fn is_reference(text: &str) -> bool {
    let variable = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let is_variable = variable.is_some_and(|name| !name.contains(['$', '{', '}']) && !name.contains(":-"));
    is_variable || text.starts_with("file:/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_redact(written: &str, redacted: &str) {
        let config = serde_json::json!({"connection_url": written, "db_type": "postgres"});
        assert_eq!(redact(&config)["connection_url"], redacted);
    }

    #[test]
    fn literal_passwords_are_taken_out_and_references_stay() {
        check_redact("postgres://u:hunter2@h:1/d?sslmode=require", "postgres://u@h:1/d?sslmode=require");
        check_redact("postgres://u:${PW}@h/d", "postgres://u:${PW}@h/d");
        check_redact("postgres://u:${PW:-hunter2}@h/d", "postgres://u:${PW}@h/d");
        check_redact("postgres://u:file:/run/pw@h/d", "postgres://u:file:/run/pw@h/d");
        check_redact("postgres://u:hun@ter2@h/d", "postgres://u@h/d");
        check_redact("postgres://u@h/d?password=hunter2&x=1", "postgres://u@h/d?password=&x=1");
        check_redact("${URL:-postgres://u:hunter2@h/d}", "${URL:-postgres://u@h/d}");
        check_redact("${URL}", "${URL}");
        let file = serde_json::json!({"connection_url": "sqlite:///a:b@c/d.db", "db_type": "sqlite"});
        assert_eq!(redact(&file), file);
        let server = serde_json::json!({"connection_url": "postgres://u:hunter2@h/d", "db_type": "sqlite"});
        assert_eq!(redact(&server)["connection_url"], "postgres://u@h/d");
    }
}
