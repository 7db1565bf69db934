//! Passwords that stand outside the URL: `PGPASSWORD` and the pgpass file.

use std::path::{Path, PathBuf};

use chaos_core::Secret;

/// The pgpass file may hold this much; a bigger one is not a pgpass file.
const FILE_MAX: u64 = 1024 * 1024;

/// Who wants to log in where: what a line of a pgpass file is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// The host name, or the directory of the socket.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: &'a str,
    /// The role.
    pub user: &'a str,
}

/// Returns the password for this login from `PGPASSWORD`, else from the pgpass file.
pub fn from_environment(login: Login<'_>) -> Option<Secret> {
    if let Some(password) = std::env::var("PGPASSWORD").ok().filter(|password| !password.is_empty()) {
        return Some(Secret::new(password));
    }
    from_file(&path()?, login)
}

fn from_file(path: &Path, login: Login<'_>) -> Option<Secret> {
    let metadata = std::fs::metadata(path).ok().filter(|metadata| metadata.is_file())?;
    if is_open_to_others(&metadata) {
        tracing::warn!(path = %path.display(), "The pgpass file can be read by others and is ignored; chmod 0600 it.");
        return None;
    }
    if metadata.len() > FILE_MAX {
        tracing::warn!(path = %path.display(), "The pgpass file is too big and is ignored.");
        return None;
    }
    match std::fs::read_to_string(path) {
        Ok(text) => find(&text, login),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "The pgpass file cannot be read and is ignored.");
            None
        }
    }
}

fn path() -> Option<PathBuf> {
    match std::env::var_os("PGPASSFILE") {
        Some(path) if !path.is_empty() => Some(PathBuf::from(path)),
        _ => std::env::home_dir().map(|home| home.join(".pgpass")),
    }
}

#[cfg(unix)]
fn is_open_to_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_metadata: &std::fs::Metadata) -> bool {
    false
}

/// Returns the password of the first line that fits.
fn find(text: &str, login: Login<'_>) -> Option<Secret> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let [host, port, database, user, password] = <[String; 5]>::try_from(fields(line)).ok()?;
        let fits = matches(&host, host_name(login.host))
            && matches(&port, &login.port.to_string())
            && matches(&database, login.database)
            && matches(&user, login.user);
        fits.then(|| Secret::new(password))
    })
}

/// The default socket directories count as `localhost`, as in the file's own documentation.
fn host_name(host: &str) -> &str {
    match host {
        "/var/run/postgresql" | "/tmp" => "localhost",
        host => host,
    }
}

fn matches(field: &str, value: &str) -> bool {
    field == "*" || field == value
}

/// Splits a line at its colons; a backslash takes the next character as it is. The password is the rest of the line.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let last = fields.len() - 1;
        match character {
            '\\' => fields[last].extend(characters.next()),
            ':' if fields.len() < 5 => fields.push(String::new()),
            other => fields[last].push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Option<String> {
        let login = Login { host: "db.example", port: 5432, database: "shop", user: "amy" };
        find(text, login).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn the_first_line_that_fits_wins() {
        let text = "# a comment\nother:*:*:*:wrong\n*:5432:shop:amy:right\n*:*:*:*:late\n";
        assert_eq!(password(text).as_deref(), Some("right"));
    }

    #[test]
    fn colons_and_backslashes_can_be_escaped() {
        assert_eq!(password(r"*:*:*:amy:a\:b\\c").as_deref(), Some(r"a:b\c"));
    }

    #[test]
    fn a_line_for_another_role_or_a_broken_line_gives_nothing() {
        assert_eq!(password("*:*:*:bob:secret\nbroken\n"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_ignored() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "*:*:*:*:secret").unwrap();
        let login = Login { host: "h", port: 1, database: "d", user: "u" };
        for (mode, is_used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(from_file(file.path(), login).is_some(), is_used, "{mode:o}");
        }
        assert!(from_file(Path::new("/no/such/file"), login).is_none());
    }
}
