//! The connection URL: reads it, and completes it from the environment.

mod redact;

use std::borrow::Cow;
use std::path::Path;

use chaos_core::{Failure, FaultError};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
pub use redact::redact;
use serde_json::Value;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::pgpass::{self, Login};
use super::tls::TlsMode;

/// Where the server's packages put its socket.
const SOCKET_DIRECTORY: &str = "/var/run/postgresql";
/// What must be escaped in the value of a query parameter.
const PARAMETER: &AsciiSet = &CONTROLS.add(b' ').add(b'&').add(b'#').add(b'%').add(b'+').add(b'?');

/// A connection URL that was read: what the driver takes, and what it does not know.
#[derive(Clone)]
pub(super) struct PgUrl {
    /// What the driver takes, password included.
    pub config: Config,
    /// `sslmode`.
    pub tls: TlsMode,
    /// `sslrootcert`.
    pub root: Option<String>,
}

impl PgUrl {
    /// Reads a URL; what it leaves out comes from the environment.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        let (plain, own) = take_own_parameters(text)?;
        let mut config = driver_config(&plain)?;
        refuse_bare_at(&config)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host(default_host());
        }
        if config.get_user().is_none() {
            config.user(default_user()?);
        }
        if config.get_dbname().is_none() {
            let user = config.get_user().unwrap_or_default().to_owned();
            config.dbname(user);
        }
        let url = Self { config, tls: own.tls, root: own.root };
        Ok(url.with_password())
    }

    fn with_password(mut self) -> Self {
        if self.config.get_password().is_none()
            && let Some(password) = pgpass::from_environment(self.login())
        {
            self.config.password(password.expose());
        }
        self
    }

    fn login(&self) -> Login<'_> {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host,
            Some(Host::Unix(path)) => path.to_str().unwrap_or_default(),
            None => "",
        };
        Login { host, port: self.port(0), database: self.database(), user: self.user() }
    }

    /// The role.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// The database.
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }

    /// Each host as people write it, without its port.
    pub fn hosts(&self) -> Vec<String> {
        let addresses = self.config.get_hostaddrs().iter().map(ToString::to_string);
        let names: Vec<String> = self.config.get_hosts().iter().map(host_text).collect();
        if names.is_empty() { addresses.collect() } else { names }
    }

    /// `host:port,host:port`.
    pub fn place(&self) -> String {
        let hosts = self.hosts();
        let places = hosts.iter().enumerate().map(|(place, host)| {
            let port = self.port(place);
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        });
        places.collect::<Vec<_>>().join(",")
    }

    fn port(&self, place: usize) -> u16 {
        let ports = self.config.get_ports();
        ports.get(place).or(ports.first()).copied().unwrap_or(5432)
    }

    /// How people name the database, without secrets.
    pub fn label(&self) -> String {
        format!("postgres://{}@{}/{}", self.user(), self.place(), self.database())
    }
}

fn host_text(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

/// The parameters of the URL that are ours to read, because the driver knows less about TLS than users do.
struct OwnParameters {
    tls: TlsMode,
    root: Option<String>,
}

fn take_own_parameters(text: &str) -> Result<(String, OwnParameters), FaultError> {
    check_scheme(text).map_err(FaultError::Params)?;
    // A password may hold a question mark, so the parameters begin after the credentials.
    let credentials = text.find('@').map_or(0, |at| at + 1);
    let question = text[credentials..].find('?').map(|place| credentials + place);
    let mut own = OwnParameters { tls: TlsMode::Prefer, root: None };
    let Some(question) = question else { return Ok((text.to_owned(), own)) };
    let mut kept = Vec::new();
    for pair in text[question + 1..].split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8_lossy();
        match key {
            "sslmode" => own.tls = tls_mode(&value)?,
            "sslrootcert" => own.root = Some(value.into_owned()),
            "sslcert" | "sslkey" | "sslpassword" => return Err(no_client_certificates(key)),
            _ => kept.push(pair),
        }
    }
    let base = &text[..question];
    let plain = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    Ok((plain, own))
}

fn check_scheme(text: &str) -> Result<(), Failure> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(());
    }
    let why = match text {
        "" => "it is empty",
        _ if text.starts_with("sqlite:") => "`sqlite` is not PostgreSQL",
        _ if text.starts_with("mysql:") => "`mysql` is not PostgreSQL",
        // It may be anything, also a password alone.
        _ => "it does not begin with `postgres://`",
    };
    let hint = "a PostgreSQL URL looks like `postgres://user@host:5432/database`";
    Err(Failure::new("read the `connection_url`").source(why).hint(hint))
}

/// Says what is wrong with a URL as written, whatever the environment adds. With references in it, only what they cannot
/// change is looked at.
///
/// # Errors
/// [`FaultError::Params`] for a URL that can never work.
pub fn check(text: &str) -> Result<(), FaultError> {
    let literal = text.find("${").map_or(text, |start| &text[..start]);
    if literal.len() == text.len() {
        let (plain, _) = take_own_parameters(text)?;
        return refuse_bare_at(&driver_config(&plain)?);
    }
    if literal.contains("://") {
        check_scheme(literal).map_err(FaultError::Params)?;
    }
    Ok(())
}

fn driver_config(plain: &str) -> Result<Config, FaultError> {
    plain.parse().map_err(|source: tokio_postgres::Error| {
        FaultError::Params(Failure::new("read the `connection_url`").source(source))
    })
}

fn tls_mode(text: &str) -> Result<TlsMode, FaultError> {
    TlsMode::parse(text).ok_or_else(|| {
        let hint = "it is one of disable, allow, prefer, require, verify-ca, verify-full";
        FaultError::Params(Failure::new("read the `sslmode` of the `connection_url`").hint(hint))
    })
}

fn no_client_certificates(key: &str) -> FaultError {
    let what = format!("use `{key}` of the `connection_url`");
    FaultError::Params(Failure::new(what).hint("logging in with a client certificate is not supported"))
}

/// A password with a bare `@` is cut there, and its rest would show up as a host name in messages.
fn refuse_bare_at(config: &Config) -> Result<(), FaultError> {
    let has_at = config.get_hosts().iter().any(|host| host_text(host).contains('@'));
    if !has_at {
        return Ok(());
    }
    let hint = "write special characters of user and password percent-encoded: `@` as `%40`";
    Err(FaultError::Params(Failure::new("read the host of the `connection_url`").hint(hint)))
}

fn default_host() -> &'static str {
    if Path::new(SOCKET_DIRECTORY).is_dir() { SOCKET_DIRECTORY } else { "localhost" }
}

fn default_user() -> Result<String, FaultError> {
    let named = ["PGUSER", "USER", "LOGNAME"].iter().find_map(|key| std::env::var(key).ok());
    named.filter(|name| !name.is_empty()).ok_or_else(|| {
        let hint = "name the role: `postgres://user@host/database`";
        FaultError::Params(Failure::new("find a role in the `connection_url`").hint(hint))
    })
}

/// Puts role and password from the environment into a configuration, so that a process without it can connect.
pub fn with_environment(mut config: Value) -> Value {
    if config.get("db_type").and_then(Value::as_str) != Some("postgres") {
        return config;
    }
    if let Some(Value::String(text)) = config.get_mut("connection_url")
        // A URL that cannot be read stays as it is: connecting says what is wrong with it.
        && let Ok(url) = PgUrl::parse(text)
    {
        *text = complete(text, &url);
    }
    config
}

fn complete(text: &str, url: &PgUrl) -> String {
    let (plain, _) = take_own_parameters(text)
        .unwrap_or_else(|_| (text.to_owned(), OwnParameters { tls: TlsMode::Prefer, root: None }));
    let Ok(written) = plain.parse::<Config>() else { return text.to_owned() };
    let mut missing: Vec<(&str, Cow<'_, str>)> = Vec::new();
    if written.get_user().is_none() {
        missing.push(("user", Cow::from(url.user())));
    }
    if written.get_password().is_none()
        && let Some(password) = url.config.get_password()
    {
        missing.push(("password", String::from_utf8_lossy(password)));
    }
    let mut text = text.to_owned();
    for (key, value) in missing {
        let credentials = text.find('@').map_or(0, |at| at + 1);
        text.push(if text[credentials..].contains('?') { '&' } else { '?' });
        let escape = if key == "password" { NON_ALPHANUMERIC } else { PARAMETER };
        text.push_str(&format!("{key}={}", utf8_percent_encode(&value, escape)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_parameters_are_read_and_the_driver_gets_the_rest() {
        let url = PgUrl::parse(
            "postgres://u:p@h:1/d?sslmode=verify-ca&sslrootcert=%2Fetc%2Fca.pem&target_session_attrs=any",
        )
        .unwrap();
        assert_eq!((url.tls, url.root.as_deref()), (TlsMode::VerifyCa, Some("/etc/ca.pem")));
        assert_eq!(url.label(), "postgres://u@h:1/d");
    }

    #[test]
    fn several_hosts_and_addresses_keep_their_ports() {
        let url = PgUrl::parse("postgres://u:p@a:1,[::1]:2/d").unwrap();
        assert_eq!(url.label(), "postgres://u@a:1,[::1]:2/d");
    }

    #[test]
    fn a_socket_directory_is_a_host() {
        let url = PgUrl::parse("postgres://u:p@%2Fvar%2Ftmp%2Frun/d").unwrap();
        assert_eq!(url.hosts(), ["/var/tmp/run"]);
    }

    #[test]
    fn no_message_about_a_bad_url_holds_its_password() {
        let bad = [
            "postgres://u:hunter2@h:port/d",
            "postgres://u:hun@ter2@h/d",
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2@h/d?nonsense=1",
            "postgres://u:hunter2@h/d?sslmode=maybe",
            "hunter2",
        ];
        for text in bad {
            let error = PgUrl::parse(text).map(drop).unwrap_err();
            assert!(matches!(error, FaultError::Params(_)), "{text}");
            assert!(!error.chain().contains("ter2"), "{}", error.chain());
        }
    }

    #[test]
    fn a_url_that_can_never_work_is_found_without_a_server() {
        let bad = [
            "",
            "postgres:/chaos",
            "mysql://h/d",
            "sqlite:///x.db",
            "postgres://u:p@h:99999/d",
            "postgres://h/d?sslmode=bogus",
            "postgres://h/d?pasword=x",
            "mysql://u:${PW}@h/d",
        ];
        for text in bad {
            assert!(check(text).is_err(), "{text}");
        }
        for good in
            ["postgres://h", "postgresql://u:${PW}@h:${PORT}/d?sslmode=${MODE}", "${URL}", "${SCHEME}://h"]
        {
            assert!(check(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_the_environment_gave_is_completed_in_the_url() {
        let mut url = PgUrl::parse("postgres://u:x@h/d").unwrap();
        url.config.password("a&b?c");
        let text = complete("postgres://u@h/d?sslmode=require", &url);
        assert_eq!(text, "postgres://u@h/d?sslmode=require&password=a%26b%3Fc");
        let again = PgUrl::parse(&text).unwrap();
        assert_eq!(again.config.get_password(), Some(&b"a&b?c"[..]));
    }
}
