//! Finds the rows that other steps of ours still have to undo, so that no two of them ever take the same row.

use std::collections::BTreeSet;

use chaos_core::{Failure, FaultError};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

use crate::postgres::error::classify;
use crate::postgres::{PgSession, PgTarget, sql};

/// How often a helper schema may vanish between being listed and being read.
const TRIES: u32 = 10;

/// Helper schemas with a marker, and whether this role can read it. A schema of somebody else that merely looks like one
/// has no such table.
const MARKERS: &str = "SELECT n.nspname, has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'xid' AND NOT a.attisdropped \
     WHERE n.nspname ~ '^chaos_[0-9]{8}_[0-9]{6}_[0-9a-z]{4}_[0-9]+_[0-9]+$' AND c.relname = 'm' AND c.relkind = 'r'";

/// The other steps of ours on one database, seen from a session of its own: a schema that vanishes while it is read must
/// not break the transaction of the inject.
pub(super) struct OtherLoads {
    session: PgSession,
}

impl OtherLoads {
    /// Opens the session.
    pub(super) async fn of(target: &PgTarget) -> Result<Self, FaultError> {
        Ok(Self { session: target.session().await? })
    }

    /// Returns the transaction numbers that are committed and not yet disarmed, as rows carry them.
    pub(super) async fn xids(&self) -> Result<BTreeSet<u32>, FaultError> {
        for _ in 0..TRIES {
            let schemas = self.schemas().await?;
            if schemas.is_empty() {
                return Ok(BTreeSet::new());
            }
            if let Some(xids) = self.read(&schemas).await? {
                return Ok(xids);
            }
        }
        let what = "find the rows of other runs, whose helper schemas come and go";
        Err(FaultError::Busy(Failure::new(what)))
    }

    async fn schemas(&self) -> Result<Vec<String>, FaultError> {
        let rows = self.session.simple("find other runs on this database", MARKERS).await?;
        if let Some(hidden) = rows.iter().find(|row| row.get(1) != Some("t")) {
            let what = format!("read which rows belong to `{}`", hidden.get(0).unwrap_or_default());
            let hint = "another run of another role has changed rows here; wait until it is undone";
            return Err(FaultError::Preflight(Failure::new(what).hint(hint)));
        }
        Ok(rows.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect())
    }

    /// Returns `None` when one of the schemas is gone by now.
    async fn read(&self, schemas: &[String]) -> Result<Option<BTreeSet<u32>>, FaultError> {
        let each = schemas
            .iter()
            .map(|schema| format!("SELECT xid & 4294967295 FROM {}", sql::qualified(schema, "m")));
        let sql = each.collect::<Vec<_>>().join(" UNION ALL ");
        let messages = match self.session.client.simple_query(&sql).await {
            Ok(messages) => messages,
            Err(error) if is_gone(error.code()) => return Ok(None),
            Err(error) => return Err(classify("read which rows belong to other runs", error)),
        };
        let xid = |message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        };
        Ok(Some(messages.into_iter().filter_map(xid).collect()))
    }

    /// Closes the session.
    pub(super) async fn close(self) {
        self.session.close().await;
    }
}

fn is_gone(code: Option<&SqlState>) -> bool {
    code.is_some_and(|code| [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(code))
}

/// Returns transaction numbers as an SQL array.
pub(super) fn array(xids: &BTreeSet<u32>) -> String {
    let each: Vec<String> = xids.iter().map(|xid| format!("'{xid}'::xid")).collect();
    format!("ARRAY[{}]::xid[]", each.join(", "))
}
