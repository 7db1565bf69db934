//! A connected database of any kind.

use chaos_core::{DiscoverFilter, FaultError, Inventory, Target, TargetIdentity};

use crate::postgres::PgTarget;
use crate::sqlite::SqliteTarget;

/// A connected database.
pub enum DbTarget {
    /// A PostgreSQL server.
    Postgres(PgTarget),
    /// An SQLite file.
    Sqlite(SqliteTarget),
}

impl Target for DbTarget {
    fn identity(&self) -> &TargetIdentity {
        match self {
            Self::Postgres(target) => target.identity(),
            Self::Sqlite(target) => target.identity(),
        }
    }

    async fn discover(&self, filter: &DiscoverFilter) -> Result<Inventory, FaultError> {
        match self {
            Self::Postgres(target) => target.discover(filter).await,
            Self::Sqlite(target) => target.discover(filter).await,
        }
    }
}
