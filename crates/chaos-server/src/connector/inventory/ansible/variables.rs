//! What variables of an Ansible inventory say about how to log in.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::host_and_port;

/// Variables by name, as text.
pub(super) type Variables = BTreeMap<String, String>;

/// Variables that say how to log in, and that mean nothing here.
const MISSED: [&str; 6] = [
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_ssh_args",
    "ansible_ssh_executable",
    "ansible_become_flags",
    "ansible_become_exe",
];

/// Returns the variables that somebody might miss.
pub(super) fn missed(variables: &Variables) -> impl Iterator<Item = String> + '_ {
    MISSED.iter().filter(|name| variables.contains_key(**name)).map(|name| (*name).to_owned())
}

/// Makes the configuration of a host from its name and variables.
pub(super) fn host(name: &str, variables: &Variables) -> Result<Map<String, Value>, String> {
    let (title, port) = host_and_port(name)?;
    let mut host = Map::new();
    let address = first(variables, &["ansible_host", "ansible_ssh_host"])?.unwrap_or(title.as_str());
    host.insert("host".to_owned(), address.into());
    host.insert("name".to_owned(), name.into());
    let port = match first(variables, &["ansible_port", "ansible_ssh_port"])? {
        Some(text) => {
            Some(text.parse().map_err(|_| format!("`ansible_port` is `{text}`, which is no port"))?)
        }
        None => port,
    };
    if let Some(port) = port {
        host.insert("port".to_owned(), port.get().into());
    }
    if let Some(user) = first(variables, &["ansible_user", "ansible_ssh_user"])? {
        host.insert("username".to_owned(), user.into());
    }
    if let Some(auth) = auth(variables)? {
        host.insert("auth".to_owned(), auth);
    }
    become_root(variables, &mut host)?;
    connection(variables, &mut host)?;
    Ok(host)
}

/// Returns the first of these variables that is there.
fn first<'a>(variables: &'a Variables, names: &[&str]) -> Result<Option<&'a str>, String> {
    let Some((name, value)) = names.iter().find_map(|name| variables.get_key_value(*name)) else {
        return Ok(None);
    };
    if value.contains("{{") || value.contains("{%") {
        return Err(format!("`{name}` is a template, and templates cannot be evaluated here"));
    }
    Ok(Some(value.as_str()).filter(|value| !value.is_empty()))
}

fn auth(variables: &Variables) -> Result<Option<Value>, String> {
    let key = first(variables, &["ansible_ssh_private_key_file", "ansible_private_key_file"])?;
    if let Some(key) = key {
        let passphrase =
            first(variables, &["ansible_ssh_private_key_passphrase", "ansible_private_key_passphrase"])?;
        let mut auth = json!({ "type": "key", "private_key_path": key });
        if let Some(passphrase) = passphrase {
            auth["passphrase"] = passphrase.into();
        }
        return Ok(Some(auth));
    }
    let password = first(variables, &["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"])?;
    Ok(password.map(|password| json!({ "type": "password", "password": password })))
}

fn become_root(variables: &Variables, host: &mut Map<String, Value>) -> Result<(), String> {
    let Some(wanted) = first(variables, &["ansible_become"])? else { return Ok(()) };
    let is_wanted = match wanted.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" | "y" | "t" => true,
        "no" | "false" | "off" | "0" | "n" | "f" => false,
        _ => return Err(format!("`ansible_become` is `{wanted}`, which is neither yes nor no")),
    };
    if !is_wanted {
        host.insert("become".to_owned(), "none".into());
        return Ok(());
    }
    let method = first(variables, &["ansible_become_method"])?.unwrap_or("sudo");
    let user = first(variables, &["ansible_become_user"])?.unwrap_or("root");
    if method.trim_start_matches("ansible.builtin.") != "sudo" {
        return Err(format!("`ansible_become_method` is `{method}`, and only `sudo` is known here"));
    }
    if user != "root" {
        return Err(format!("`ansible_become_user` is `{user}`, and faults need root"));
    }
    host.insert("become".to_owned(), "sudo".into());
    let names = ["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"];
    if let Some(password) = first(variables, &names)? {
        host.insert("become_password".to_owned(), password.into());
    }
    Ok(())
}

fn connection(variables: &Variables, host: &mut Map<String, Value>) -> Result<(), String> {
    match first(variables, &["ansible_connection"])?.map(|way| way.trim_start_matches("ansible.builtin.")) {
        None | Some("ssh" | "smart" | "paramiko" | "paramiko_ssh" | "ansible.netcommon.libssh") => Ok(()),
        Some("local") => {
            host.insert("connection".to_owned(), "local".into());
            Ok(())
        }
        Some(way) => {
            Err(format!("`ansible_connection` is `{way}`, and only `ssh` and `local` are known here"))
        }
    }
}
