//! Connects to a database of any kind.

use chaos_core::{Connector, FaultError, Misfit, TargetIdentity};
use serde_json::Value;

use crate::config::{DbConfig, DbType};
use crate::postgres::PgTarget;
use crate::sqlite::SqliteTarget;
use crate::target::DbTarget;

/// Connects to databases: `target: database`.
#[derive(Debug, Default)]
pub struct DbConnector;

impl Connector for DbConnector {
    type Target = DbTarget;
    type Config = DbConfig;

    const KIND: &'static str = "database";

    async fn connect(&self, config: DbConfig) -> Result<DbTarget, FaultError> {
        match config.db_type {
            DbType::Postgres => PgTarget::connect(&config).await.map(DbTarget::Postgres),
            DbType::Sqlite => SqliteTarget::connect(&config).await.map(DbTarget::Sqlite),
        }
    }

    fn check(&self, config: &DbConfig) -> Result<(), Misfit> {
        let text = &config.connection_url;
        if text.starts_with("file:") {
            // The URL stands in that file.
            return Ok(());
        }
        let result = match config.db_type {
            DbType::Postgres => crate::postgres::check_url(text),
            DbType::Sqlite => crate::sqlite::check_url(text).map_err(FaultError::Params),
        };
        result.map_err(|error| {
            let misfit = Misfit::new(format!("failed to {}", error.chain())).at("connection_url");
            Misfit { hint: error.hint().map(str::to_owned), ..misfit }
        })
    }

    fn recall(&self, config: Value, known: &TargetIdentity) -> Value {
        crate::sqlite::recall(config, &known.label)
    }

    fn redact(&self, config: &Value) -> Value {
        crate::sqlite::absolute(crate::postgres::redact(config))
    }

    fn with_environment(&self, config: Value) -> Value {
        // The working directory is part of the environment: another process may have another one.
        crate::sqlite::absolute(crate::postgres::with_environment(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(url: &str, db_type: DbType) -> Option<String> {
        let config = DbConfig { connection_url: url.to_owned(), db_type, schemas: Vec::new() };
        DbConnector.check(&config).err().map(|misfit| misfit.why)
    }

    #[test]
    fn a_url_that_does_not_fit_its_type_is_refused_without_its_password() {
        for (url, db_type) in [
            ("postgres://u:hunter2@h/d", DbType::Sqlite),
            ("mysql://u:hunter2@h/d", DbType::Sqlite),
            ("sqlite://u:hunter2@h/x.db", DbType::Sqlite),
            ("sqlite://u:hunter2@h/x.db", DbType::Postgres),
            ("mysql://u:hunter2@h/d", DbType::Postgres),
            ("postgres://u:hunter2@h/d?pasword=hunter2", DbType::Postgres),
        ] {
            let why = why(url, db_type).unwrap();
            assert!(!why.contains("hunter2"), "{why}");
        }
        assert_eq!(why("file:/run/secrets/url", DbType::Postgres), None);
    }
}
