//! What of a configuration may be kept.

use serde_json::{Map, Value};

/// Returns whether a text has a reference in it, so that what it stands for is not known yet.
pub(crate) fn is_reference(text: &str) -> bool {
    text.starts_with("file:/") || text.replace("$${", "").contains("${")
}

/// Returns `config` without any literal password. References to them stay.
pub(crate) fn redact(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(Value::Array(hosts)) = config.get_mut("hosts") {
        hosts.iter_mut().for_each(redact_login);
    }
    if let Some(defaults) = config.get_mut("defaults") {
        redact_login(defaults);
    }
    config
}

fn redact_login(host: &mut Value) {
    let Value::Object(host) = host else { return };
    redact_key(host, "become_password");
    if let Some(Value::Object(auth)) = host.get_mut("auth") {
        redact_key(auth, "password");
        redact_key(auth, "passphrase");
    }
}

fn redact_key(values: &mut Map<String, Value>, key: &str) {
    let Some(value) = values.get_mut(key) else { return };
    match value.as_str().and_then(kept) {
        Some(reference) => *value = reference.into(),
        None => drop(values.remove(key)),
    }
}

/// Returns what of a secret may be kept: one reference that is all of it, without the default, which is a literal.
fn kept(text: &str) -> Option<String> {
    if text.starts_with("file:/") && !text.contains("${") {
        return Some(text.to_owned());
    }
    let inside = text.strip_prefix("${")?.strip_suffix('}')?;
    let name = inside.split_once(":-").map_or(inside, |(name, _)| name);
    let is_name = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    is_name.then(|| format!("${{{name}}}"))
}
