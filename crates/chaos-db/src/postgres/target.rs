//! A connected PostgreSQL database.

use std::sync::Arc;

use chaos_core::{
    DiscoverFilter, Failure, FaultError, Inventory, NameKind, ResourceFilter, Target, TargetIdentity,
    TargetName,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::session::PgSession;
use super::url::PgUrl;
use super::{catalog, discovery, select, tls};
use crate::config::DbConfig;
use crate::schema::Table;

/// The oldest server that we know how to undo on.
const VERSION_MIN: u32 = 120_000;

/// A connected PostgreSQL database: knows who it is and opens sessions.
#[derive(Clone)]
pub struct PgTarget {
    identity: TargetIdentity,
    version_num: u32,
    schemas: Vec<String>,
    endpoint: Arc<Endpoint>,
}

/// How to reach the database. It holds the password, so it is never printed.
struct Endpoint {
    url: PgUrl,
    tls: MakeRustlsConnect,
}

impl PgTarget {
    /// Connects and asks the server who it is.
    ///
    /// # Errors
    /// [`FaultError::Params`] for a URL that makes no sense, [`FaultError::Unreachable`] when there is no answer,
    /// [`FaultError::Target`] when the server refuses us or is too old.
    pub async fn connect(config: &DbConfig) -> Result<Self, FaultError> {
        let url = PgUrl::parse(&config.connection_url)?;
        let tls = tls::connector(url.tls, url.root.as_deref()).map_err(FaultError::Params)?;
        let endpoint = Arc::new(Endpoint { url, tls });
        let session = PgSession::open(&endpoint.url, &endpoint.tls).await?;
        let (identity, version_num) = identify(&session, &endpoint.url).await?;
        session.close().await;
        Ok(Self { identity, version_num, schemas: config.schemas.clone(), endpoint })
    }

    /// Opens a new session with every setting that our statements lean on pinned.
    ///
    /// # Errors
    /// As [`PgTarget::connect`]; [`FaultError::WrongTarget`] when another server answers by now.
    pub async fn session(&self) -> Result<PgSession, FaultError> {
        let session = PgSession::open(&self.endpoint.url, &self.endpoint.tls).await?;
        if session.fingerprint() == self.identity.fingerprint {
            return Ok(session);
        }
        let what = format!("find `{}` again", self.identity.label);
        let hint = "another server or database answers under this name by now; nothing on it was touched";
        Err(FaultError::WrongTarget(Failure::new(what).hint(hint)))
    }

    /// Opens a session in which every setting is as the server gives it to a new client of this role and database, to
    /// read what a changed setting does. Nothing is pinned in it, so nothing else may be done in it.
    ///
    /// # Errors
    /// As [`PgTarget::connect`].
    pub async fn plain_session(&self) -> Result<PgSession, FaultError> {
        PgSession::open_plain(&self.endpoint.url, &self.endpoint.tls).await
    }

    /// Returns the version as the server counts: 150018 is 15.18.
    pub fn server_version_num(&self) -> u32 {
        self.version_num
    }

    /// Returns the schemas that the configuration narrows to; none: all but the system's own.
    pub fn schemas(&self) -> &[String] {
        &self.schemas
    }

    /// Returns the tables named in `selection` (`table` or `schema.table`); without names all that `filter` allows.
    ///
    /// # Errors
    /// [`FaultError::Params`] for a name that no table has, that several have, or that the filter forbids.
    pub async fn tables(
        &self,
        session: &PgSession,
        selection: &[String],
        filter: &ResourceFilter,
    ) -> Result<Vec<Table>, FaultError> {
        self.check_schemas(session).await?;
        catalog::load(session, &self.schemas, |tables| select::select(tables, selection, filter)).await
    }

    /// A schema that is not there would silently narrow to nothing.
    async fn check_schemas(&self, session: &PgSession) -> Result<(), FaultError> {
        let sql = "SELECT name FROM unnest($1::text[]) AS name \
                   WHERE NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = name)";
        let missing = session.query("look for the schemas", sql, &[&self.schemas]).await?;
        match missing.first() {
            None => Ok(()),
            Some(row) => {
                let what = format!("find schema `{}` of `target_config`", row.get::<_, &str>(0));
                Err(FaultError::Params(Failure::new(what).hint("see `chaos discover` for what is there")))
            }
        }
    }
}

impl Target for PgTarget {
    fn identity(&self) -> &TargetIdentity {
        &self.identity
    }

    async fn discover(&self, filter: &DiscoverFilter) -> Result<Inventory, FaultError> {
        discovery::discover(self, filter).await
    }
}

/// Asks the server who it is.
async fn identify(session: &PgSession, url: &PgUrl) -> Result<(TargetIdentity, u32), FaultError> {
    let sql =
        "SELECT current_setting('server_version_num'), current_setting('server_version'), current_database()";
    let what = format!("ask `{}` who it is", url.place());
    let rows = session.simple(what.clone(), sql).await?;
    let text = |place: usize| rows.first().and_then(|row| row.get(place)).map(str::to_owned);
    let version_num = text(0).and_then(|number| number.parse().ok());
    let (Some(version_num), Some(version), Some(name)) = (version_num, text(1), text(2)) else {
        return Err(FaultError::Target(Failure::new(what)));
    };
    let version = version.split_whitespace().next().unwrap_or_default();
    if version_num < VERSION_MIN {
        let what = format!("use PostgreSQL {version} on `{}`", url.place());
        return Err(FaultError::Target(Failure::new(what).hint("versions 12 to 18 are supported")));
    }
    let hosts = url.hosts().into_iter().map(|host| TargetName::new(NameKind::Host, host));
    let identity = TargetIdentity {
        product: format!("PostgreSQL {version}"),
        label: url.label(),
        fingerprint: session.fingerprint().to_owned(),
        names: hosts.chain([TargetName::new(NameKind::Database, name)]).collect(),
    };
    Ok((identity, version_num))
}
