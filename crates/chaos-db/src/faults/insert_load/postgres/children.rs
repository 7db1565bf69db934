//! Tables whose rows may refer to ours: a parent with a child of somebody else is left alone.

use chaos_core::FaultError;

use super::Step;
use crate::postgres::{PgSession, sql};

/// The tables that refer to the table of a step.
pub(super) struct Children {
    tables: Vec<Child>,
    /// Whether the server's own check of every deleted row is left out.
    skips_checks: bool,
}

struct Child {
    name: String,
    columns: Vec<String>,
    our_columns: Vec<String>,
    is_indexed: bool,
}

impl Children {
    /// Looks for them as they are now.
    pub(super) async fn find(session: &PgSession, step: &Step) -> Result<Self, FaultError> {
        let what = format!("find the tables that refer to `{}`", step.qualified());
        let rows = session.query(what, include_str!("children.sql"), &[&step.table_oid]).await?;
        let child = |row: &tokio_postgres::Row| Child {
            name: row.get(0),
            columns: row.get(1),
            our_columns: row.get(2),
            is_indexed: row.get(3),
        };
        let tables: Vec<Child> = rows.iter().map(child).collect();
        let skips_checks = may_skip_checks(session, &tables).await?;
        Ok(Self { tables, skips_checks })
    }

    /// Returns whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Returns the settings with which the transaction deletes rows; empty: none.
    pub(super) fn settings(&self) -> String {
        let mut settings = String::new();
        if self.tables.iter().any(|child| !child.is_indexed) {
            // The server expects one row at a new place of the key, and would read the other table once for every row.
            settings.push_str("SET LOCAL enable_nestloop = off; ");
        }
        if self.skips_checks {
            settings.push_str("SET LOCAL session_replication_role = replica; ");
        }
        settings
    }

    /// Returns ` AND NOT …` for rows `t` that others refer to; empty where nobody can.
    pub(super) fn none(&self) -> String {
        self.tables.iter().map(|child| format!(" AND NOT {}", child.exists())).collect()
    }

    /// Returns the condition of rows `t` that others refer to.
    pub(super) fn any(&self) -> String {
        let children: Vec<String> = self.tables.iter().map(Child::exists).collect();
        if children.is_empty() { "false".to_owned() } else { children.join(" OR ") }
    }
}

impl Child {
    fn exists(&self) -> String {
        let pairs = self.columns.iter().zip(&self.our_columns);
        let same: Vec<String> = pairs
            .map(|(theirs, ours)| format!("c.{} = t.{}", sql::ident(theirs), sql::ident(ours)))
            .collect();
        format!("EXISTS (SELECT FROM {} c WHERE {})", self.name, same.join(" AND "))
    }
}

/// Returns whether the server's own check of every deleted row is left out, which reads a whole table a row where no index
/// helps: ten thousand rows took minutes. We look for children ourselves, all rows at once, behind row locks that keep
/// new ones from coming, so the check can find nothing. It needs a right that only superusers have by default.
async fn may_skip_checks(session: &PgSession, children: &[Child]) -> Result<bool, FaultError> {
    if children.iter().all(|child| child.is_indexed) {
        return Ok(false);
    }
    let right = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    let rows = session.simple("read the rights of the role", right).await?;
    Ok(rows.first().and_then(|row| row.get(0)) == Some("t"))
}
