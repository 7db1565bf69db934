//! Who we are here, and where our files are.

use std::path::{Path, PathBuf};

/// Returns the home of the current user.
pub(crate) fn dir() -> Option<PathBuf> {
    let of_account =
        || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.dir);
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).or_else(of_account)
}

/// Returns the name of the current user.
pub(crate) fn user() -> Option<String> {
    nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name)
}

/// Returns a file below `~/.ssh`.
pub(crate) fn ssh_file(name: &str) -> Option<PathBuf> {
    dir().map(|home| home.join(".ssh").join(name))
}

/// Puts the home in the place of a leading `~`.
pub(crate) fn expand(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
