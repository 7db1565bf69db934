//! A PostgreSQL server with scram passwords and TLS. `fsync` and `synchronous_commit` stay on: crash tests and figures
//! must be honest.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::env::{Part, Variables, debian, state};
use crate::failure::{Context, Failure};
use crate::process;

/// High and fixed, so that a test can be repeated by hand.
const PORT: u16 = 55432;
/// The administrator of the server, and its password. It listens on the loopback only.
const USER: &str = "chaos";
/// How long a server may take to answer: a crash recovery of a busy test database takes seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The PostgreSQL of the test world.
pub struct Postgres;

impl Part for Postgres {
    fn up(&self) -> Outcome<Variables> {
        let programs = programs()?;
        make_folders()?;
        if !state("pg/data/PG_VERSION").exists() {
            initialise(&programs)?;
        }
        make_certificate()?;
        // Before the start, and only when it is not there yet: a running server is told to read it again.
        let is_new = add_tls_settings()?;
        if !is_ready(&programs) {
            start(&programs)?;
        } else if is_new {
            process::read(control(&programs).arg("reload"))?;
        }
        process::wait_for("the PostgreSQL server answer", READY_WITHIN, || is_ready(&programs))?;
        Ok(vec![
            ("CHAOS_TEST_POSTGRES".to_owned(), format!("postgres://{USER}:{USER}@127.0.0.1:{PORT}/postgres")),
            ("CHAOS_TEST_POSTGRES_CA".to_owned(), state("pg/tls/server.crt").display().to_string()),
        ])
    }

    fn down(&self) -> Outcome {
        let Ok(programs) = programs() else { return Ok(()) };
        if state("pg/data/postmaster.pid").exists() {
            process::read(control(&programs).args(["stop", "-m", "fast"]))?;
        }
        Ok(())
    }

    fn status(&self) -> Outcome<String> {
        let programs = programs()?;
        if !is_ready(&programs) {
            return Ok("down".to_owned());
        }
        let version = process::read(Command::new(programs.join("postgres")).arg("--version"))?;
        let pid = fs::read_to_string(state("pg/data/postmaster.pid")).unwrap_or_default();
        let pid = pid.lines().next().unwrap_or("unknown").to_owned();
        Ok(format!(
            "up    127.0.0.1:{PORT}, {}, pid {pid}, log {}",
            version.trim(),
            state("pg/log").display()
        ))
    }
}

/// Returns the folder of the newest server programs; installs them when there are none.
fn programs() -> Outcome<PathBuf> {
    if let Some(folder) = installed() {
        return Ok(folder);
    }
    debian::install(&["postgresql-15", "postgresql"])?;
    installed().ok_or_else(|| Failure::new("find `initdb` below `/usr/lib/postgresql` after installing it"))
}

fn installed() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    versions.sort();
    let newest = versions.pop().map(|(_, folder)| folder);
    newest.or_else(|| process::find("initdb", &[]).and_then(|path| Some(path.parent()?.to_owned())))
}

fn make_folders() -> Outcome {
    for folder in ["pg", "pg/tls", "run"] {
        let path = state(folder);
        fs::create_dir_all(&path).context(|| format!("create `{}`", path.display()))?;
        own(&path)?;
    }
    let root = state("");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755))
        .context(|| format!("open `{}` for the server's user", root.display()))
}

fn initialise(programs: &Path) -> Outcome {
    let password = state("pg/pw");
    fs::write(&password, format!("{USER}\n")).context(|| format!("write `{}`", password.display()))?;
    own(&password)?;
    process::read(
        process::as_user("postgres", &programs.join("initdb"))
            .current_dir("/")
            .arg("-D")
            .arg(state("pg/data"))
            .args(["-A", "scram-sha-256", "-U", USER, "-E", "UTF8", "--locale=C.UTF-8"])
            .arg(format!("--pwfile={}", password.display())),
    )?;
    Ok(())
}

/// Makes a certificate that is its own authority, so that every `sslmode` up to `verify-full` can be tested.
fn make_certificate() -> Outcome {
    let (key, certificate) = (state("pg/tls/server.key"), state("pg/tls/server.crt"));
    if certificate.exists() && key.exists() {
        return Ok(());
    }
    process::read(
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "3650", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate),
    )?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))
        .context(|| format!("protect `{}`", key.display()))?;
    own(&key)?;
    own(&certificate)
}

/// Adds our settings to `postgresql.conf`; returns whether they were not there yet.
fn add_tls_settings() -> Outcome<bool> {
    let path = state("pg/data/postgresql.conf");
    let what = || format!("add the settings of the test world to `{}`", path.display());
    let text = fs::read_to_string(&path).context(what)?;
    if text.contains("pg/tls/server.crt") {
        return Ok(false);
    }
    let (certificate, key) = (state("pg/tls/server.crt"), state("pg/tls/server.key"));
    let settings = format!(
        "\nmax_connections = 200\nssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\n",
        certificate.display(),
        key.display()
    );
    fs::write(&path, text + &settings).context(what)?;
    Ok(true)
}

fn start(programs: &Path) -> Outcome {
    let options = format!("-p {PORT} -k {} -c listen_addresses=127.0.0.1", state("run").display());
    process::read(
        control(programs).args(["-w", "-l"]).arg(state("pg/log")).arg("-o").arg(options).arg("start"),
    )
    .map(drop)
    .map_err(|failure| failure.hint(format!("see `{}`", state("pg/log").display())))
}

fn control(programs: &Path) -> Command {
    let mut command = process::as_user("postgres", &programs.join("pg_ctl"));
    command.current_dir("/").arg("-D").arg(state("pg/data"));
    command
}

fn is_ready(programs: &Path) -> bool {
    let mut command = Command::new(programs.join("pg_isready"));
    command.args(["-q", "-h", "127.0.0.1", "-p", &PORT.to_string()]);
    process::read(&mut command).is_ok()
}

/// Gives a file to the server's user; without root it is already ours, and so is the server.
fn own(path: &Path) -> Outcome {
    if !process::is_root() {
        return Ok(());
    }
    process::read(Command::new("chown").arg("postgres").arg(path)).map(drop)
}
