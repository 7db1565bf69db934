//! A real SSH server of our own, on a port of this machine, for the current user.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use chaos_host::transport::ssh::{Auth, KeyFile, SshConfig, UserConfig};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// The program; it must be called by its full path.
const SSHD: &str = "/usr/sbin/sshd";

/// Returns whether an SSH server can run here; says so when not, and fails where that is required.
pub fn is_there() -> bool {
    let is_there = Path::new(SSHD).exists();
    if !is_there {
        let why = format!("there is no {SSHD} here (`apt-get install openssh-server`)");
        assert!(std::env::var_os("CHAOS_TEST_REQUIRE").is_none(), "CHAOS_TEST_REQUIRE is set, but {why}");
        eprintln!("SKIPPED: {why}");
    }
    is_there
}

/// A running server with its keys.
pub struct Sshd {
    pub dir: TempDir,
    pub port: u16,
    child: Child,
}

impl Sshd {
    /// Starts one that takes the key `user`.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one with further lines of configuration, which win over ours.
    pub fn start_with(lines: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path();
        keygen(&path.join("host"), "ed25519", "");
        keygen(&path.join("user"), "ed25519", "");
        fs::copy(path.join("user.pub"), path.join("authorized")).unwrap();
        let port = free_port();
        fs::write(path.join("config"), config(path, port, lines)).unwrap();
        let child = serve(path);
        let server = Self { dir, port, child };
        server.await_port();
        server.know_host();
        server
    }

    /// Returns a file of ours.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns how to log in with the key `user`.
    pub fn login(&self) -> SshConfig {
        SshConfig {
            port: Some(self.port),
            auth: vec![Auth::Key(KeyFile::new(self.file("user"), None))],
            known_hosts: vec![self.file("known_hosts")],
            user_config: UserConfig::None,
            ..SshConfig::new("127.0.0.1")
        }
    }

    /// Writes the host's key into the file of known hosts, and nothing else.
    pub fn know_host(&self) {
        let key = fs::read_to_string(self.file("host.pub")).unwrap();
        fs::write(self.file("known_hosts"), format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
    }

    /// Ends the server and its sessions, and starts it again on the same port.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Starts the server after [`Sshd::stop`].
    pub fn start_again(&mut self) {
        self.child = serve(self.dir.path());
        self.await_port();
    }

    /// Ends the server and its sessions.
    pub fn stop(&mut self) {
        self.signal_sessions(Signal::SIGKILL);
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal to every process that serves a connection.
    pub fn signal_sessions(&self, signal: Signal) {
        for session in self.sessions() {
            // One that has just ended is no trouble.
            let _ = kill(Pid::from_raw(session), signal);
        }
    }

    /// Returns the processes that serve a connection.
    pub fn sessions(&self) -> Vec<i32> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    fn await_port(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                Instant::now() < deadline,
                "sshd: {}",
                fs::read_to_string(self.file("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes a key pair.
pub fn keygen(path: &Path, kind: &str, passphrase: &str) {
    let done = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success(), "ssh-keygen");
}

/// Returns the fingerprint of a public key.
pub fn fingerprint(path: &Path) -> String {
    let output = Command::new("ssh-keygen").arg("-lf").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

/// Returns a port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port()
}

fn config(path: &Path, port: u16, lines: &str) -> String {
    let dir = path.display();
    // The first value of an option counts. Bash reads `.bashrc` when a server starts it, unless it believes to be inside
    // another shell: what the developer's one does, and how long that takes, is no part of these tests.
    format!(
        "{lines}\nListenAddress 127.0.0.1:{port}\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/authorized\nPidFile none\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 300:30:400\n\
         PermitRootLogin yes\nUseDNS no\nSetEnv SHLVL=3\n"
    )
}

fn serve(path: &Path) -> Child {
    static PRIVSEP: OnceLock<()> = OnceLock::new();
    // As root the server wants this folder, which Debian's own service makes when it starts.
    PRIVSEP.get_or_init(|| drop(fs::create_dir("/run/sshd")));
    let log = fs::File::create(path.join("log")).unwrap();
    Command::new(SSHD)
        .args(["-D", "-e", "-f"])
        .arg(path.join("config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}
