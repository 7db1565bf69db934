//! An SQLite file: who it is, and sessions on it.
//!
//! Every session is a connection of its own and is used in a thread that may block, never in the runtime's own.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chaos_core::{
    DiscoverFilter, Failure, FaultError, Inventory, NameKind, Target, TargetIdentity, TargetName,
};
use nix::unistd::{AccessFlags, access};
use rusqlite::config::DbConfig as Setting;
use rusqlite::{Connection, OpenFlags};
use tokio_util::sync::CancellationToken;

use super::error::{During, classify};
use super::place::{Place, url_of};
use crate::config::DbConfig;

/// How long a session waits for another writer. Recovery tries again after that.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The cache of a session that works: enough for the inner pages of large indexes, and far below our memory limit.
const CACHE_KIB: u32 = 8 * 1024;
/// How many steps of SQLite's machine lie between two looks at the token: well below a millisecond.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// An SQLite file that was opened and identified.
pub struct SqliteTarget {
    identity: TargetIdentity,
    file: Arc<File>,
}

/// The file itself.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    read_only: bool,
    fingerprint: String,
}

impl SqliteTarget {
    /// Opens the file and identifies it. A missing file is an error, it is never made.
    ///
    /// # Errors
    /// [`FaultError::Params`] for a URL that names no file, [`FaultError::Unreachable`] for one that is not there,
    /// [`FaultError::Target`] for one that is no database.
    pub async fn connect(config: &DbConfig) -> Result<Self, FaultError> {
        if config.schemas.iter().any(|schema| schema != "main") {
            let failure =
                Failure::new(format!("use the schemas `{}` on SQLite", config.schemas.join("`, `")));
            return Err(FaultError::Params(
                failure.hint("an SQLite file has one schema, `main`; leave `schemas` out"),
            ));
        }
        let place = Place::parse(&config.connection_url).map_err(FaultError::Params)?;
        in_thread(move || Self::open_file(&place)).await
    }

    fn open_file(place: &Place) -> Result<Self, FaultError> {
        let what = format!("open `{}`", place.path.display());
        let path = place.path.canonicalize().map_err(|source| {
            let mut hint = "check the path; chaos never makes a database that is not there".to_owned();
            if place.path.is_relative()
                && let Ok(here) = std::env::current_dir()
            {
                hint = format!(
                    "it is looked for below `{}`; start chaos where the file is, or write the whole path",
                    here.display()
                );
            }
            FaultError::Unreachable(Failure::new(&what).hint(hint).source(source))
        })?;
        let metadata = regular(&path)?;
        let file = File { path, read_only: place.read_only, fingerprint: fingerprint(&metadata) };
        let connection = file.open()?;
        let version = connection
            .query_row("SELECT sqlite_version() FROM (SELECT count(*) FROM sqlite_schema)", [], |row| {
                row.get::<_, String>(0)
            })
            .during(what)?;
        let names = [file.path.file_stem(), Some(file.path.as_os_str())];
        let names = names
            .into_iter()
            .flatten()
            .map(|name| TargetName::new(NameKind::Database, name.to_string_lossy()));
        let identity = TargetIdentity {
            product: format!("SQLite {version}"),
            label: url_of(&file.path),
            fingerprint: file.fingerprint.clone(),
            names: names.collect(),
        };
        Ok(Self { identity, file: Arc::new(file) })
    }

    /// Runs `work` on a session of its own in a thread that may block. When `cancel` is set, or when this future is
    /// dropped, a running statement ends and its transaction is rolled back.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        cancel: &CancellationToken,
        work: impl FnOnce(&mut Connection, &CancellationToken) -> Result<T, FaultError> + Send + 'static,
    ) -> Result<T, FaultError> {
        let token = cancel.child_token();
        // Nobody may be left working on the file when the caller is gone: a revert could run beside it.
        let _guard = token.clone().drop_guard();
        let file = Arc::clone(&self.file);
        in_thread(move || {
            let mut connection = file.open()?;
            let cache = format!("PRAGMA cache_size = -{CACHE_KIB}");
            connection.execute_batch(&cache).during("set the size of the cache")?;
            let watched = token.clone();
            connection
                .progress_handler(STEPS_BETWEEN_LOOKS, Some(move || watched.is_cancelled()))
                .during("watch for the end of a run")?;
            work(&mut connection, &token)
        })
        .await
    }

    /// As [`SqliteTarget::run`], for work that nothing but the end of the caller may stop.
    pub(crate) async fn run_to_the_end<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, FaultError> + Send + 'static,
    ) -> Result<T, FaultError> {
        self.run(&CancellationToken::new(), |connection, _| work(connection)).await
    }

    /// Returns the file, for threads that keep a session of their own.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }
}

impl File {
    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the resource that a writer of this file claims as a whole: SQLite lets in one at a time.
    pub(crate) fn resource(&self) -> String {
        format!("file {}", self.path.display())
    }

    /// Checks that the file may be written, and with it its directory, where SQLite keeps its journal.
    pub(crate) fn check_writable(&self, connection: &Connection) -> Result<(), FaultError> {
        let refuse = |why: &str, hint: &str| {
            let what = format!("prepare an exact undo in `{}`", self.path.display());
            Err(FaultError::Preflight(Failure::new(what).source(why.to_owned()).hint(hint)))
        };
        if self.read_only {
            return refuse("the URL says `mode=ro`", "leave `mode=ro` out of the connection_url");
        }
        if connection.is_readonly("main").during("ask whether the file may be written")? {
            return refuse("this user may not write the file", "run chaos as a user who may write it");
        }
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        if access(directory, AccessFlags::W_OK).is_err() {
            let hint = "SQLite keeps its journal beside the file; run chaos as a user who may write there";
            return refuse("this user may not write the directory of the file", hint);
        }
        Ok(())
    }

    /// Opens a session: bounded waits, foreign keys on, commits durable. Call it where blocking is allowed.
    pub(crate) fn open(&self) -> Result<Connection, FaultError> {
        let what = || format!("open `{}`", self.path.display());
        let mode = match self.read_only {
            true => OpenFlags::SQLITE_OPEN_READ_ONLY,
            false => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let connection = Connection::open_with_flags(&self.path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|source| classify(what(), source))?;
        let metadata = regular(&self.path)?;
        if fingerprint(&metadata) != self.fingerprint {
            let hint = "it was replaced by another file since; nothing on it was touched";
            return Err(FaultError::WrongTarget(Failure::new(what()).hint(hint)));
        }
        connection.busy_timeout(BUSY_TIMEOUT).during(what())?;
        // Otherwise a quoted name that is no column would be taken for text, and a condition for true or false.
        connection.set_db_config(Setting::SQLITE_DBCONFIG_DQS_DML, false).during(what())?;
        connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL").during(what())?;
        Ok(connection)
    }
}

/// Runs work that blocks where that is allowed. A panic in it is a panic of the caller.
pub(crate) async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FaultError> + Send + 'static,
) -> Result<T, FaultError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // A blocking task is only cancelled when the runtime itself ends.
        Err(_) => Err(FaultError::Cancelled),
    }
}

/// Looks at the file before SQLite does: opening a pipe would wait for ever, and an empty file would become a database.
///
/// It must not open the file itself: closing any handle of a file drops all locks that this process has on it, also
/// those of another session of ours.
fn regular(path: &Path) -> Result<Metadata, FaultError> {
    let failure = || Failure::new(format!("open `{}`", path.display()));
    let metadata =
        std::fs::metadata(path).map_err(|source| FaultError::Unreachable(failure().source(source)))?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "it is a directory" } else { "it is not a regular file" };
        return Err(FaultError::Target(failure().source(kind)));
    }
    if metadata.len() == 0 {
        return Err(FaultError::Target(failure().source("it is empty, so it is no database yet")));
    }
    Ok(metadata)
}

/// A file is known by device and inode. VACUUM and every write keep the inode; a copy or a restored backup has another
/// one, and that is right: nothing of ours is known to be in it.
fn fingerprint(metadata: &Metadata) -> String {
    format!("sqlite:{}:{}", metadata.dev(), metadata.ino())
}

impl Target for SqliteTarget {
    fn identity(&self) -> &TargetIdentity {
        &self.identity
    }

    async fn discover(&self, filter: &DiscoverFilter) -> Result<Inventory, FaultError> {
        let filter = filter.clone();
        let path = self.file.path.clone();
        self.run_to_the_end(move |connection| super::discover::discover(connection, &path, &filter)).await
    }
}
