//! Somebody who types commands, with a directory of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

/// Somebody who types commands.
pub struct User {
    home: TempDir,
}

/// What came back.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl User {
    pub fn new() -> Self {
        Self { home: tempfile::Builder::new().prefix("chaos-cli-").tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Makes a scratch database with one table of ten rows, and a file with one experiment on it.
    pub fn experiment(&self, hold: &str) -> String {
        let database = self.path("shop.db");
        let rows = "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)
            INSERT OR IGNORE INTO users SELECT i, 'user ' || i FROM n;";
        Connection::open(&database).unwrap().execute_batch(rows).unwrap();
        let text = format!(
            "experiments:\n- name: small\n  target: database\n  target_config: {{connection_url: 'sqlite://{}', \
             db_type: sqlite}}\n  duration: {hold}\n  skills:\n  - {{skill_name: db.insert_load, params: \
             {{rows_per_table: 5}}}}\n",
            database.display()
        );
        self.write("small.yaml", text)
    }

    pub fn users(&self) -> i64 {
        let connection = Connection::open(self.path("shop.db")).unwrap();
        connection.query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env("CHAOS_STATE_DIR", self.state())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("TMPDIR", self.home.path())
            .env_remove("CHAOS_POLICY")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    pub fn types(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}):\n{}\n{}", self.stdout, self.stderr))
    }

    /// Returns stderr with what differs from run to run taken out.
    pub fn complaint(&self, user: &User) -> String {
        self.stderr.replace(&home(user), "HOME")
    }
}

fn home(user: &User) -> String {
    Path::new(&user.path("")).display().to_string().trim_end_matches('/').to_owned()
}
