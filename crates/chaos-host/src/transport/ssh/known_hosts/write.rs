//! Writes the key of a new host down.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;

use super::entry::{self, Marker};

/// Appends one line, alone with the file, unless another process has just done so; a new file and its folder are closed to
/// others.
pub(crate) fn append(path: &Path, name: &str, key: &KeyData) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // `/dev/null` is how people say that nothing shall be written.
    if path.exists() && !path.is_file() {
        return Ok(());
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
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
    file.read_to_end(&mut text)?;
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
