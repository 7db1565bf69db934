//! A PostgreSQL server of a test's own, for what changes the server as a whole: settings, restarts.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "every test file uses its own part; a test ends where something is off"
)]

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use chaos_db::config::{DbConfig, DbType};
use chaos_db::postgres::PgTarget;
use tokio::sync::{Mutex, MutexGuard};

/// Where the servers live. The folder of the user is closed to the user that runs the server.
const FOLDER: &str = "/var/tmp/chaos-agents-env/pg-c";

/// One server at a time, so that a small machine is not overrun.
static ONE: Mutex<()> = Mutex::const_new(());
static SERVERS: AtomicU32 = AtomicU32::new(0);

/// A running server. Dropping it stops and removes it.
pub struct OwnServer {
    data: PathBuf,
    port: u16,
    /// The superuser's connection.
    pub target: PgTarget,
    _one: MutexGuard<'static, ()>,
}

impl OwnServer {
    /// Starts a server with these additional options (`-c name=value`), or says that the test is skipped.
    pub async fn start(options: &str) -> Option<Self> {
        let one = ONE.lock().await;
        let Some(bin) = bin() else {
            let required = std::env::var("CHAOS_TEST_REQUIRE").is_ok_and(|value| value == "1");
            assert!(!required, "the programs of a PostgreSQL server are required");
            println!("SKIPPED: no programs of a PostgreSQL server");
            return None;
        };
        remove_leftovers();
        let data = Path::new(FOLDER).join(format!(
            "{}-{}",
            std::process::id(),
            SERVERS.fetch_add(1, Ordering::Relaxed)
        ));
        as_server(&["mkdir", "-p", data.to_str().unwrap()]);
        let initdb = bin.join("initdb");
        as_server(&[
            initdb.to_str().unwrap(),
            "-N",
            "-A",
            "trust",
            "-U",
            "chaos",
            "-D",
            data.to_str().unwrap(),
        ]);
        let conf = data.join("postgresql.conf");
        let text = std::fs::read_to_string(&conf).unwrap();
        std::fs::write(&conf, format!("{text}\nshared_buffers = 16MB\n")).unwrap();
        // Taken last: another process of this machine may be given it until the server has it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = format!("-p {port} -k '' -c listen_addresses=127.0.0.1 {options}");
        pg_ctl(&data, &["-o", &options, "start"]);
        let target = connect(port, "chaos").await;
        Some(Self { data, port, target, _one: one })
    }

    /// Connects as another role.
    pub async fn connect_as(&self, role: &str) -> PgTarget {
        connect(self.port, role).await
    }

    /// Runs statements, each on its own: ALTER SYSTEM takes no company.
    pub async fn run(&self, statements: &[&str]) {
        let session = self.target.session().await.unwrap();
        for sql in statements {
            if let Err(error) = session.batch("run", sql).await {
                panic!("{}: {sql}", error.chain());
            }
        }
        session.close().await;
    }

    /// Returns what a new client sees of a setting.
    pub async fn show(&self, setting: &str) -> String {
        let session = self.target.plain_session().await.unwrap();
        let rows = session.simple("show", &format!("SHOW \"{setting}\"")).await.unwrap();
        rows[0].get(0).unwrap().to_owned()
    }

    /// Returns all settings as a new client sees them, with where they come from.
    pub async fn settings(&self) -> Vec<String> {
        let session = self.target.plain_session().await.unwrap();
        let sql = "SELECT concat_ws(' ', name, setting, source, pending_restart, \
                   sourcefile LIKE '%/postgresql.auto.conf') FROM pg_settings ORDER BY name";
        let rows = session.simple("list settings", sql).await.unwrap();
        rows.iter().map(|row| row.get(0).unwrap().to_owned()).collect()
    }

    /// Returns the lines of `postgresql.auto.conf`, sorted: the server puts what it writes at the end.
    pub fn auto_conf(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file("postgresql.auto.conf")).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Returns settings and file together, to be compared by [`assert_same`].
    pub async fn state(&self) -> Vec<String> {
        let mut state = self.settings().await;
        state.extend(self.auto_conf());
        state
    }

    /// Returns the path of a file of the server.
    pub fn file(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// Restarts the server as after a crash.
    pub fn restart(&self) {
        pg_ctl(&self.data, &["-m", "immediate", "restart"]);
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        remove(&self.data).unwrap();
    }
}

/// Compares two states and shows only what differs.
pub fn assert_same(before: &[String], after: &[String]) {
    let gone: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
    let new: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(gone.is_empty() && new.is_empty() && before.len() == after.len(), "gone {gone:?}, new {new:?}");
}

async fn connect(port: u16, role: &str) -> PgTarget {
    let connection_url =
        format!("postgres://{role}@127.0.0.1:{port}/postgres?sslmode=disable&connect_timeout=30");
    let config = DbConfig { connection_url, db_type: DbType::Postgres, schemas: Vec::new() };
    PgTarget::connect(&config).await.unwrap()
}

/// The newest server programs of this machine.
fn bin() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = folders.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    found.retain(|bin| bin.join("initdb").exists());
    found.sort();
    found.pop()
}

/// Runs a program as the user of the server: root may not run one.
fn as_server(command: &[&str]) -> Output {
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let folder = Path::new(FOLDER);
    std::fs::create_dir_all(folder).unwrap();
    let mut program = if is_root {
        let (uid, gid) = user("postgres");
        std::os::unix::fs::chown(folder, Some(uid), Some(gid)).unwrap();
        let mut program = Command::new("runuser");
        program.args(["-u", "postgres", "--"]).args(command);
        program
    } else {
        let mut program = Command::new(command[0]);
        program.args(&command[1..]);
        program
    };
    // A server that is started inherits the standard streams: it must not keep those of the test open.
    let output = program.current_dir("/").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn user(name: &str) -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.split(':').next() == Some(name)).unwrap();
    let field = |place: usize| line.split(':').nth(place).unwrap().parse().unwrap();
    (field(2), field(3))
}

fn pg_ctl(data: &Path, arguments: &[&str]) {
    let pg_ctl = bin().unwrap().join("pg_ctl");
    let log = data.join("log");
    let mut command =
        vec![pg_ctl.to_str().unwrap(), "-D", data.to_str().unwrap(), "-w", "-l", log.to_str().unwrap()];
    command.extend(arguments);
    as_server(&command);
}

fn remove(data: &Path) -> std::io::Result<()> {
    if data.join("postmaster.pid").exists() {
        pg_ctl(data, &["-m", "immediate", "stop"]);
    }
    std::fs::remove_dir_all(data)
}

/// Stops and removes the servers of test processes that are no more.
fn remove_leftovers() {
    let Ok(folders) = std::fs::read_dir(FOLDER) else { return };
    for entry in folders.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.split('-').next().and_then(|pid| pid.parse::<u32>().ok());
        // What else lies there is none of ours.
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            // Another test process may be faster.
            let _ = remove(&entry.path());
        }
    }
}
