//! Asks before a lock whether the role may take it, and whether the table can be locked at all.

use chaos_core::FaultError;

use super::LockMode;
use crate::postgres::PgSession;
use crate::postgres::preflight::{Problem, refuse_if_any};
use crate::schema::Table;

const SQL: &str = include_str!("preflight.sql");

/// What will be locked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lockable {
    /// The table as a whole.
    Table(LockMode),
    /// Rows of it.
    Rows,
}

impl Lockable {
    /// The rights of which the role needs one, for each line. Servers before 16 ask for more than later ones: what
    /// is enough there is enough everywhere.
    fn rights(self) -> &'static [&'static str] {
        match self {
            Self::Table(LockMode::AccessShare) => &["SELECT"],
            Self::Table(LockMode::RowExclusive) => &["INSERT, UPDATE, DELETE, TRUNCATE"],
            Self::Table(_) => &["UPDATE, DELETE, TRUNCATE"],
            Self::Rows => &["SELECT", "UPDATE"],
        }
    }
}

/// Checks that `table` can be locked by this role.
///
/// # Errors
/// [`FaultError::Preflight`] that names everything in the way.
pub(crate) async fn check_lockable(
    session: &PgSession,
    table: &Table,
    lockable: Lockable,
) -> Result<(), FaultError> {
    let what = format!("lock table `{}`", table.qualified());
    let reads_rows = matches!(lockable, Lockable::Rows);
    let rights = lockable.rights();
    let rows = session
        .query(
            format!("check table `{}`", table.qualified()),
            SQL,
            &[&table.schema, &table.name, &rights, &reads_rows],
        )
        .await?;
    let problems = rows.iter().map(|row| Problem { what: row.get(0), hint: row.get(1) }).collect();
    refuse_if_any(&what, problems)
}
