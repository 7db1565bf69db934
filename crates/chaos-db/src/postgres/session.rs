//! One connection to the server, with every setting that our statements lean on pinned from the first moment.

use std::time::Duration;

use chaos_core::{Failure, FaultError};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{
    CancelToken, Client, Config, Error, NoTls, Row, SimpleQueryMessage, SimpleQueryRow, Socket,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{classify, failure};
use super::tls::TlsMode;
use super::url::PgUrl;

/// How long one host may take to accept a connection, and then to let us in, unless the URL says otherwise.
const CONNECT_USUAL: Duration = Duration::from_secs(5);
/// The most that the URL may say: an undo waits for this, too.
const CONNECT_MAX: Duration = Duration::from_secs(60);
/// How long the goodbye of a session may take; after that it is simply closed.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// How long a request to cancel may take.
const CANCEL_MAX: Duration = Duration::from_secs(5);
/// Unanswered data for this long means that the server is gone.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);

/// The settings of every session. They travel with the login, so that there is no moment without them, and a
/// connection pooler that would hand them on to other clients refuses the login instead.
const SETTINGS: &[(&str, &str)] = &[
    // No function or operator of ours can be replaced by one in a schema of the user.
    ("search_path", "pg_catalog,pg_temp"),
    // Rows hidden by a policy must be an error, not silently absent.
    ("row_security", "off"),
    ("lock_timeout", "5s"),
    // A limit that the role carries would end our long statements half-way.
    ("statement_timeout", "0"),
    // Bounds how long a forgotten transaction of ours can hold anything.
    ("idle_in_transaction_session_timeout", "60s"),
    ("client_min_messages", "warning"),
    ("default_transaction_isolation", r"read\ committed"),
    ("standard_conforming_strings", "on"),
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    // The server notices a vanished client within eleven seconds.
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
];

/// One session. Dropping it closes the connection at once; whatever it had not committed is rolled back.
pub struct PgSession {
    /// The client of the driver.
    pub client: Client,
    /// The server process of this session.
    pub backend_pid: i32,
    fingerprint: String,
    cancel: CancelToken,
    tls: MakeRustlsConnect,
    connection: Option<JoinHandle<Result<(), Error>>>,
}

impl Drop for PgSession {
    fn drop(&mut self) {
        // The task owns the socket: ending it closes the connection even while a statement runs.
        if let Some(connection) = &self.connection {
            connection.abort();
        }
    }
}

impl PgSession {
    /// Opens a session with our settings.
    pub(super) async fn open(url: &PgUrl, tls: &MakeRustlsConnect) -> Result<Self, FaultError> {
        Self::open_with(pinned(url), url, tls).await
    }

    /// Opens a session in which every setting is as the server gives it to a new client of this role and database, so
    /// that the effect of a changed setting can be seen. Nothing else may be done in it.
    pub(super) async fn open_plain(url: &PgUrl, tls: &MakeRustlsConnect) -> Result<Self, FaultError> {
        let mut config = pinned(url);
        config.options("");
        Self::open_with(config, url, tls).await
    }

    async fn open_with(config: Config, url: &PgUrl, tls: &MakeRustlsConnect) -> Result<Self, FaultError> {
        let place = url.place();
        let limit = connect_limit(&config);
        match tokio::time::timeout(limit, Self::open_unbounded(&config, url, tls)).await {
            Ok(result) => result,
            Err(_) => {
                let what = format!("connect to `{place}` within {} s", limit.as_secs());
                Err(FaultError::Unreachable(Failure::new(what).hint("the server does not answer")))
            }
        }
    }

    async fn open_unbounded(
        config: &Config,
        url: &PgUrl,
        tls: &MakeRustlsConnect,
    ) -> Result<Self, FaultError> {
        let (client, connection) =
            dial(config, url.tls, tls).await.map_err(|error| refused_login(url, error))?;
        let connection = Some(tokio::spawn(connection));
        let cancel = client.cancel_token();
        let mut session =
            Self { client, backend_pid: 0, fingerprint: String::new(), cancel, tls: tls.clone(), connection };
        if config.get_options() != Some("") {
            session.read_back().await?;
        }
        Ok(session)
    }

    /// Reads pid and identity, and checks that the settings of the login are in force.
    async fn read_back(&mut self) -> Result<(), FaultError> {
        let sql = "SELECT pg_backend_pid(), current_setting('search_path'), current_setting('row_security'), \
                   format('pg:%s/%s', (SELECT system_identifier FROM pg_control_system()), \
                   (SELECT oid FROM pg_database WHERE datname = current_database()))";
        let rows = self.simple("open a session", sql).await?;
        let [row] = rows.as_slice() else { return Err(pooled()) };
        let pid = row.get(0).and_then(|pid| pid.parse().ok());
        let (Some(pid), Some("pg_catalog,pg_temp"), Some("off")) = (pid, row.get(1), row.get(2)) else {
            return Err(pooled());
        };
        self.backend_pid = pid;
        row.get(3).unwrap_or_default().clone_into(&mut self.fingerprint);
        Ok(())
    }

    /// Returns what stays the same for this very database and differs for every other one.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Runs statements and forgets what they return.
    ///
    /// # Errors
    /// As [`classify`] sees them; `what` completes "failed to …".
    pub async fn batch(&self, what: impl Into<String>, sql: &str) -> Result<(), FaultError> {
        self.client.batch_execute(sql).await.map_err(|error| classify(what, error))
    }

    /// Runs statements and returns the rows of all of them, every value as text.
    ///
    /// # Errors
    /// As [`PgSession::batch`].
    pub async fn simple(
        &self,
        what: impl Into<String>,
        sql: &str,
    ) -> Result<Vec<SimpleQueryRow>, FaultError> {
        let messages = self.client.simple_query(sql).await.map_err(|error| classify(what, error))?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// Runs statements and returns how many rows they touched in all.
    ///
    /// # Errors
    /// As [`PgSession::batch`].
    pub async fn affected(&self, what: impl Into<String>, sql: &str) -> Result<u64, FaultError> {
        let messages = self.client.simple_query(sql).await.map_err(|error| classify(what, error))?;
        let counts = messages.into_iter().map(|message| match message {
            SimpleQueryMessage::CommandComplete(count) => count,
            _ => 0,
        });
        Ok(counts.sum())
    }

    /// Runs one query with typed parameters.
    ///
    /// # Errors
    /// As [`PgSession::batch`].
    pub async fn query(
        &self,
        what: impl Into<String>,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, FaultError> {
        self.client.query(sql, params).await.map_err(|error| classify(what, error))
    }

    /// Begins a transaction that reads what is committed, and whose own commit is durable.
    ///
    /// # Errors
    /// As [`PgSession::batch`].
    pub async fn begin(&self) -> Result<(), FaultError> {
        let sql = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = on";
        self.batch("begin a transaction", sql).await
    }

    /// Commits.
    ///
    /// # Errors
    /// As [`PgSession::batch`]; also when the server rolled back instead, because a statement had failed.
    pub async fn commit(&self) -> Result<(), FaultError> {
        // COMMIT of a failed transaction answers without an error, so the state of the transaction is asked first.
        self.batch("commit", "SELECT 1").await?;
        self.batch("commit", "COMMIT").await
    }

    /// Rolls back; without a transaction it does nothing.
    ///
    /// # Errors
    /// As [`PgSession::batch`].
    pub async fn rollback(&self) -> Result<(), FaultError> {
        self.batch("roll back", "ROLLBACK").await
    }

    /// Asks the server to cancel the statement that runs in this session.
    ///
    /// # Errors
    /// When the server cannot be asked in time.
    pub async fn cancel(&self) -> Result<(), FaultError> {
        let asked = tokio::time::timeout(CANCEL_MAX, self.cancel.cancel_query(self.tls.clone())).await;
        match asked {
            Ok(result) => result.map_err(|error| classify("cancel a statement", error)),
            Err(_) => Err(FaultError::Unreachable(Failure::new("cancel a statement in time"))),
        }
    }

    /// Returns whether the connection is known to be closed.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Says goodbye and waits until the connection is closed.
    pub async fn close(mut self) {
        let Some(connection) = self.connection.take() else { return };
        let abort = connection.abort_handle();
        // Without its client the connection ends the transaction, says goodbye and closes.
        drop(self);
        // A goodbye that fails or takes too long leaves a closed socket all the same.
        if tokio::time::timeout(CLOSE_MAX, connection).await.is_err() {
            abort.abort();
        }
    }
}

/// The connection settings of the URL with ours on top.
fn pinned(url: &PgUrl) -> Config {
    let mut config = url.config.clone();
    let ours: Vec<String> = SETTINGS.iter().map(|(name, value)| format!("-c {name}={value}")).collect();
    // The last one wins, so ours stand behind those of the URL.
    config.options(format!("{} {}", url.config.get_options().unwrap_or_default(), ours.join(" ")).trim());
    config.application_name("chaos");
    config.connect_timeout(patience(url.config.get_connect_timeout()));
    config.tcp_user_timeout(TCP_USER_TIMEOUT);
    config.keepalives(true);
    config.keepalives_idle(Duration::from_secs(5));
    config.keepalives_interval(Duration::from_secs(2));
    config.keepalives_retries(3);
    config
}

/// How long to wait for one host, with what the URL says of it.
fn patience(of_url: Option<&Duration>) -> Duration {
    of_url.copied().unwrap_or(CONNECT_USUAL).min(CONNECT_MAX)
}

/// The driver tries one host after the other, each with the limit of the configuration; login and first answer may take as long
/// as one more, and not less than usual.
fn connect_limit(config: &Config) -> Duration {
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len()).max(1);
    let patience = patience(config.get_connect_timeout());
    patience * u32::try_from(hosts).unwrap_or(u32::MAX) + patience.max(CONNECT_USUAL)
}

type Connection = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Connects with as much TLS as the mode asks for.
async fn dial(
    config: &Config,
    mode: TlsMode,
    tls: &MakeRustlsConnect,
) -> Result<(Client, Connection), Error> {
    match mode {
        TlsMode::Disable => dial_once(config, SslMode::Disable, tls).await,
        TlsMode::Allow => match dial_once(config, SslMode::Disable, tls).await {
            Err(error) if error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
                dial_once(config, SslMode::Require, tls).await
            }
            result => result,
        },
        TlsMode::Prefer => match dial_once(config, SslMode::Prefer, tls).await {
            // TLS that is offered but does not work is as good as none, in this mode.
            Err(error) if is_tls_trouble(&error) => dial_once(config, SslMode::Disable, tls).await,
            result => result,
        },
        TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => {
            dial_once(config, SslMode::Require, tls).await
        }
    }
}

fn is_tls_trouble(error: &Error) -> bool {
    error.to_string().contains("TLS")
}

async fn dial_once(
    config: &Config,
    mode: SslMode,
    tls: &MakeRustlsConnect,
) -> Result<(Client, Connection), Error> {
    let mut config = config.clone();
    config.ssl_mode(mode);
    if mode == SslMode::Disable {
        let (client, connection) = config.connect(NoTls).await?;
        return Ok((client, Box::pin(connection)));
    }
    let (client, connection): (_, tokio_postgres::Connection<Socket, _>) =
        config.connect(tls.clone()).await?;
    Ok((client, Box::pin(connection)))
}

/// Says in people's words why the server did not let us in.
fn refused_login(url: &PgUrl, error: Error) -> FaultError {
    let (place, user, database) = (url.place(), url.user(), url.database());
    let Some(refusal) = error.as_db_error() else { return no_login(url, error) };
    let code = refusal.code();
    let (what, hint) = if *code == SqlState::INVALID_PASSWORD {
        (
            format!("log in to `{place}` as `{user}`"),
            "the password is wrong, or the role does not exist; it is taken from the URL, PGPASSWORD or the pgpass file",
        )
    } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        (format!("log in to `{place}` as `{user}`"), "check the role's name, and pg_hba.conf of the server")
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        (format!("open database `{database}` on `{place}`"), "the server has no database of this name")
    } else if refusal.message().contains("unsupported startup parameter") {
        return pooled();
    } else {
        return classify(format!("connect to `{place}`"), error);
    };
    FaultError::Target(failure(what, refusal).hint(hint))
}

/// The connection failed before the server said anything about the login.
fn no_login(url: &PgUrl, error: Error) -> FaultError {
    use std::error::Error as _;
    let what = format!("connect to `{}`", url.place());
    let io = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    let refused = io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused);
    let text = error.to_string();
    if refused {
        let hint = "nothing listens there; is the server up, and is the port right?";
        return FaultError::Unreachable(Failure::new(what).hint(hint).source(error));
    }
    if text.contains("password missing")
        || error.source().is_some_and(|cause| cause.to_string().contains("password missing"))
    {
        let what = format!("log in to `{}` as `{}` without a password", url.place(), url.user());
        let hint = "give one in the URL, in PGPASSWORD or in the pgpass file";
        return FaultError::Target(Failure::new(what).hint(hint));
    }
    if is_tls_trouble(&error) {
        let hint = "see `sslmode` and `sslrootcert` of the URL";
        return FaultError::Target(Failure::new(what).hint(hint).source(error));
    }
    FaultError::Unreachable(
        Failure::new(what).hint("is host and port right, and can it be reached from here?").source(error),
    )
}

fn pooled() -> FaultError {
    let what = "pin the settings of a session";
    let hint =
        "a connection pooler stands in between; connect to the server itself, because undo leans on sessions";
    FaultError::Target(Failure::new(what).hint(hint))
}
