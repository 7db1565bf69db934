//! Writes the key of a new host down, when something is about to be done there. Looking at a host leaves no trace.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chaos_core::Failure;
use nix::fcntl::OFlag;
use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;

use super::entry::{self, Marker};
use super::judge::fingerprint;
use crate::error::HostError;

/// The key of a host that was accepted because none was known, and that stands nowhere yet.
#[derive(Debug, Clone)]
pub(crate) struct NewKey {
    /// Where it belongs.
    pub(crate) file: PathBuf,
    /// What the host is called there.
    pub(crate) name: String,
    /// The key.
    pub(crate) key: KeyData,
}

impl NewKey {
    /// Writes it down, unless it stands there by now.
    pub(crate) fn write(&self) -> Result<(), HostError> {
        append(&self.file, &self.name, &self.key).map_err(|error| {
            let what = format!("write the new host key of `{}` to `{}`", self.name, self.file.display());
            HostError::Refused(Failure::new(what).source(error))
        })
    }
}

impl fmt::Display for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = fingerprint(&self.key);
        write!(f, "`{}` has the key {key}, which is not in `{}` yet", self.name, self.file.display())
    }
}

/// Appends one line, alone with the file, unless another process has just done so; a new file and its folder are closed to
/// others.
fn append(path: &Path, name: &str, key: &KeyData) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // `/dev/null` is how people say that nothing shall be written.
    if path.exists() && !path.is_file() {
        return Ok(());
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    // Released when the file is closed.
    file.lock()?;
    let line = line(&mut file, name, key)?;
    if let Some(line) = line {
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
    }
    Ok(())
}

/// Returns what to append, nothing when it stands there already.
fn line(file: &mut File, name: &str, key: &KeyData) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(entry::FILE_MAX).read_to_end(&mut text)?;
    let lines = String::from_utf8_lossy(&text);
    let known: Vec<_> = lines.lines().filter_map(|line| entry::parse(line, name)).collect();
    if known.iter().any(|(marker, known)| *marker == Marker::Key && known == key) {
        return Ok(None);
    }
    if known.iter().any(|(marker, _)| *marker == Marker::Key) {
        return Err(io::Error::other("another process has just written another key for this host"));
    }
    let key = PublicKey::new(key.clone(), "").to_openssh().map_err(io::Error::other)?;
    // The last line of a file edited by hand may lack its end.
    let end = if text.is_empty() || text.ends_with(b"\n") { "" } else { "\n" };
    Ok(Some(format!("{end}{name} {}\n", key.trim_end())))
}
