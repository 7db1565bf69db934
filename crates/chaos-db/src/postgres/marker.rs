//! The helper schema of a step and the marker in it: the proof that the step's transaction was committed.
//!
//! The marker is made in the very transaction of the effect. Seen from behind the fence it means "committed"; absent it
//! means "nothing happened". A transaction number alone proves nothing: it can be given out again after a crash.

use chaos_core::crash::crash_point;
use chaos_core::{Failure, FaultError, PrepareContext};
use serde::{Deserialize, Serialize};

use super::fence::Fence;
use super::session::PgSession;
use super::sql;

/// The schema of a step on the server, with the fence that guards it. Part of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Helper {
    /// The name of the schema: `chaos_20261121_084512_k3vq_1_1`.
    pub schema: String,
    /// The lock that orders inject and undo.
    pub fence: Fence,
}

/// What the marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The number of the transaction that made the effect, with its epoch.
    pub xid: i64,
    /// How many rows the effect has.
    pub rows: i64,
    /// How many of them were undone so far.
    pub undone: i64,
}

impl Marker {
    /// Returns the transaction number as rows carry it in `xmin`, as an SQL expression.
    pub fn xmin(&self) -> String {
        let low = self.xid.cast_unsigned() & u64::from(u32::MAX);
        format!("'{low}'::xid")
    }
}

impl Helper {
    /// Chooses schema and fence of step `number` (from 1) of a use of a fault.
    pub fn choose(cx: &PrepareContext, number: usize) -> Self {
        let schema = format!("{}_{number}", cx.handle());
        let fence = Fence::choose(&schema, cx.seed);
        Self { schema, fence }
    }

    /// Returns the quoted name of a table in the helper schema.
    pub fn table(&self, name: &str) -> String {
        sql::qualified(&self.schema, name)
    }

    /// Makes schema and marker in the open transaction, which holds the fence, and returns the transaction's number.
    ///
    /// # Errors
    /// As the server refuses; with [`FaultError::Target`] when the schema is there already.
    pub async fn create(&self, session: &PgSession) -> Result<i64, FaultError> {
        let (schema, marker) = (sql::ident(&self.schema), self.table("m"));
        let statements = format!(
            "SET LOCAL synchronous_commit = on; CREATE SCHEMA {schema}; \
             CREATE TABLE {marker} (xid bigint NOT NULL, rows bigint NOT NULL, undone bigint NOT NULL); \
             INSERT INTO {marker} VALUES (txid_current(), 0, 0) RETURNING xid"
        );
        let rows = session.simple(format!("make the helper schema `{}`", self.schema), &statements).await?;
        let xid = rows.first().and_then(|row| row.get(0)?.parse().ok());
        xid.ok_or_else(|| FaultError::Target(Failure::new("read the number of a transaction")))
    }

    /// Writes down how many rows the effect has; in the transaction of the effect.
    ///
    /// # Errors
    /// As the server refuses.
    pub async fn set_rows(&self, session: &PgSession, rows: u64) -> Result<(), FaultError> {
        let statement = format!("UPDATE {} SET rows = {rows}", self.table("m"));
        session.batch("write the marker", &statement).await
    }

    /// Adds to the rows undone so far; in the transaction of the undo.
    ///
    /// # Errors
    /// As the server refuses.
    pub async fn add_undone(&self, session: &PgSession, rows: u64) -> Result<(), FaultError> {
        let statement = format!("UPDATE {} SET undone = undone + {rows}", self.table("m"));
        session.batch("write the marker", &statement).await
    }

    /// Reads the marker. Only an answer from behind the fence proves anything.
    ///
    /// # Errors
    /// When the server cannot be asked, or the marker was tampered with.
    pub async fn read(&self, session: &PgSession) -> Result<Option<Marker>, FaultError> {
        let what = format!("read the marker in `{}`", self.schema);
        let there = format!("SELECT to_regclass({}) IS NOT NULL", sql::literal(&self.table("m")));
        let rows = session.simple(what.clone(), &there).await?;
        if rows.first().and_then(|row| row.get(0)) != Some("t") {
            return Ok(None);
        }
        let statement = format!("SELECT xid, rows, undone FROM {}", self.table("m"));
        let rows = session.simple(what.clone(), &statement).await?;
        let number = |place: usize| rows.first()?.get(place)?.parse::<i64>().ok();
        match (rows.len(), number(0), number(1), number(2)) {
            (1, Some(xid), Some(rows), Some(undone)) => Ok(Some(Marker { xid, rows, undone })),
            _ => Err(FaultError::Target(Failure::new(what).hint("somebody changed the marker"))),
        }
    }

    /// Removes the marker, the other helper tables named, and the schema, in a transaction of its own that takes part in
    /// the fence. Idempotent. What somebody else put into the schema stops it: nothing of theirs is dropped.
    ///
    /// # Errors
    /// As the server refuses.
    pub async fn drop(&self, session: &PgSession, tables: &[&str]) -> Result<(), FaultError> {
        session.begin().await?;
        let dropped = self.drop_in_transaction(session, tables).await;
        match dropped {
            Ok(()) => {
                crash_point("pg.helper.before_drop");
                session.commit().await?;
                crash_point("pg.helper.after_drop");
                Ok(())
            }
            Err(error) => {
                // The first error is the one to tell; a session that cannot roll back is closed by its owner.
                let _ = session.rollback().await;
                Err(error)
            }
        }
    }

    async fn drop_in_transaction(&self, session: &PgSession, tables: &[&str]) -> Result<(), FaultError> {
        self.fence.take_for_undo(session).await?;
        let what = format!("drop the helper schema `{}`", self.schema);
        let there =
            format!("SELECT count(*) FROM pg_namespace WHERE nspname = {}", sql::literal(&self.schema));
        let rows = session.simple(what.clone(), &there).await?;
        if rows.first().and_then(|row| row.get(0)) == Some("0") {
            return Ok(());
        }
        let names = tables.iter().chain(&["m"]).map(|name| self.table(name)).collect::<Vec<_>>().join(", ");
        let statements = format!(
            "DROP TABLE IF EXISTS {names} RESTRICT; DROP SCHEMA {} RESTRICT",
            sql::ident(&self.schema)
        );
        session.batch(what, &statements).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_carries_only_the_low_bits_of_a_transaction_number() {
        let marker = Marker { xid: 4_294_967_299, rows: 0, undone: 0 };
        assert_eq!(marker.xmin(), "'3'::xid");
    }
}
