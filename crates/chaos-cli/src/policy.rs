//! Finds the policy that plans are reviewed with.

use std::path::PathBuf;

use chaos_policy::Limits;

use crate::args::PolicyArguments;
use crate::error::CliError;

/// Returns the limits: from the file that was asked for, else from the usual place, else the defaults.
///
/// # Errors
/// When a file that was asked for or is there cannot be used. A policy that cannot be read is never skipped.
pub fn limits(arguments: &PolicyArguments) -> Result<Limits, CliError> {
    if let Some(path) = &arguments.policy {
        return Limits::load(path).map_err(CliError::invalid);
    }
    let Some(path) = usual_place() else { return Ok(Limits::default()) };
    match path.try_exists() {
        Ok(false) => Ok(Limits::without_file(path)),
        // One that cannot be looked at may be there, and must not be skipped.
        Ok(true) | Err(_) => Limits::load(&path).map_err(CliError::invalid),
    }
}

fn usual_place() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = variable("XDG_CONFIG_HOME").or_else(|| Some(std::env::home_dir()?.join(".config")))?;
    Some(config.join("chaos").join("policy.yaml"))
}
