//! A PostgreSQL server of one test alone, to change its settings, restart it and read its log.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Session, is_required, unique};

/// Below a folder that the server's user may enter, unlike a home or a private temporary folder.
const FOLDER: &str = "/var/tmp/chaos-agents-env/e2e";

/// A server with its own data. It is stopped and removed with this value.
pub struct OwnServer {
    folder: PathBuf,
    port: u16,
}

impl OwnServer {
    /// Starts one, or returns `None` when PostgreSQL is not installed and may be missing.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(!is_required(), "PostgreSQL is not installed; run `cargo xtask env up`");
            println!("SKIPPED: PostgreSQL is not installed");
            return None;
        };
        let folder = PathBuf::from(FOLDER).join(unique());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("pw"), "chaos\n").unwrap();
        if is_root() {
            must(Command::new("chown").args(["-R", "postgres"]).arg(&folder));
        }
        let data = folder.join("data");
        must(
            as_server_user(&programs.join("initdb"))
                .arg("-D")
                .arg(&data)
                .args(["-A", "scram-sha-256", "-U", "chaos", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
                .arg(format!("--pwfile={}", folder.join("pw").display())),
        );
        let server = Self { folder, port: free_port() };
        server.boot();
        Some(server)
    }

    /// Returns the URL of its first database.
    pub fn url(&self) -> String {
        format!("postgres://chaos:chaos@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it after [`OwnServer::stop`].
    pub fn boot(&self) {
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c logging_collector=off -c max_connections=50",
            self.port,
            self.folder.display()
        );
        must(self.control().args(["-w", "-l"]).arg(self.log()).arg("-o").arg(options).arg("start"));
    }

    /// Stops it at once, as a crash does.
    pub fn stop(&self) {
        must(self.control().args(["-m", "immediate", "stop"]));
    }

    /// Stops and starts it, as an administrator does.
    pub fn restart(&self) {
        must(self.control().args(["-m", "fast", "stop"]));
        self.boot();
    }

    /// Returns what the server has logged.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap()
    }

    /// Opens a session as its administrator.
    pub fn session(&self) -> Session {
        Session::open(&self.url())
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn control(&self) -> Command {
        let mut command = as_server_user(&programs().unwrap().join("pg_ctl"));
        command.arg("-D").arg(self.folder.join("data"));
        command
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // A test may have stopped it already.
        let _ = self.control().args(["-m", "immediate", "stop"]).output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Returns the folder of the newest server programs.
fn programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    folders.sort();
    folders.pop()
}

/// A PostgreSQL server refuses to run as root.
fn as_server_user(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}

/// Returns whether the tests run as root.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Another process could take the port before the server does, in theory; the system hands out each one only rarely.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn must(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
