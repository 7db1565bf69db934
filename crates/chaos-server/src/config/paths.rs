//! Paths that mean the same from everywhere.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::host::USUAL_KEY;
use super::is_reference;

/// Returns the home of the user that runs us, also without an environment.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute())
}

/// Returns `path` as an absolute one. `~` is the home of the user that runs us; relative ones begin at `directory`, or
/// at the working directory where there is none.
pub(crate) fn absolute(path: &str, directory: Option<&Path>) -> PathBuf {
    let below_home = match path {
        "~" => Some(""),
        path => path.strip_prefix("~/"),
    };
    if let (Some(rest), Some(home)) = (below_home, home()) {
        return home.join(rest);
    }
    let path = directory.map_or_else(|| PathBuf::from(path), |directory| directory.join(path));
    // Without a working directory nothing relative can be found anyway, and the path tells people more as it is.
    std::path::absolute(&path).unwrap_or(path)
}

/// Makes the paths of one host absolute, so that another process finds the same files.
pub(crate) fn settle(host: &mut Map<String, Value>, directory: Option<&Path>) {
    settle_keys(host, &["known_hosts", "ssh_config"], directory);
    if let Some(Value::Object(auth)) = host.get_mut("auth") {
        let has_key = matches!(auth.get("type").and_then(Value::as_str), Some("key" | "certificate"));
        if has_key && auth.get("private_key_path").is_none_or(Value::is_null) {
            auth.insert("private_key_path".to_owned(), USUAL_KEY.into());
        }
        settle_keys(auth, &["private_key_path", "certificate_path", "socket"], directory);
    }
}

fn settle_keys(values: &mut Map<String, Value>, keys: &[&str], directory: Option<&Path>) {
    for key in keys {
        if let Some(Value::String(path)) = values.get_mut(*key)
            // `none` is a word of `ssh_config`, and nobody's file.
            && path != "none"
            && !is_reference(path)
        {
            *path = absolute(path, directory).to_string_lossy().into_owned();
        }
    }
}

/// Puts the socket of the agent into a configuration that asks an agent, so that a process without this environment asks
/// the same one.
pub(crate) fn with_environment(mut config: Value) -> Value {
    let Ok(socket) = std::env::var("SSH_AUTH_SOCK") else { return config };
    let Some(Value::Array(hosts)) = config.get_mut("hosts") else { return config };
    let auths = hosts.iter_mut().filter_map(|host| host.get_mut("auth")?.as_object_mut());
    for auth in auths.filter(|auth| auth.get("type").and_then(Value::as_str) == Some("agent")) {
        if auth.get("socket").is_none_or(Value::is_null) {
            auth.insert("socket".to_owned(), socket.clone().into());
        }
    }
    config
}
