//! Reads back what an undo has left in its table, and says why it is left.

use std::ops::AddAssign;

use chaos_core::{Conflict, Effect, Failure, FaultError, RevertOutcome, Reverted};
use tokio_postgres::SimpleQueryRow;

use super::Step;
use super::children::Children;
use crate::postgres::{Marker, PgSession, sql};

/// The table of a step as it is called by now.
pub(super) struct Found {
    /// Quoted, for statements.
    pub(super) name: String,
    /// For people.
    pub(super) label: String,
    /// Whether an index begins with the column by which rows are known.
    pub(super) is_indexed: bool,
    primary_key: Vec<String>,
}

impl Found {
    /// Looks for the table, whatever it is called; `None`: it was dropped.
    pub(super) async fn find(session: &PgSession, step: &Step) -> Result<Option<Self>, FaultError> {
        let what = format!("find `{}`", step.qualified());
        let column = step.key.column().unwrap_or_default();
        let rows = session.query(what, include_str!("found.sql"), &[&step.table_oid, &column]).await?;
        Ok(rows.first().map(|row| Self {
            name: row.get(0),
            label: row.get(1),
            primary_key: row.get(2),
            is_indexed: row.get(3),
        }))
    }
}

/// What a table still holds at the place of our rows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Left {
    /// Still as we left them.
    pub(super) ours: i64,
    /// Changed since, or put there by others.
    changed: i64,
}

impl AddAssign for Left {
    fn add_assign(&mut self, other: Self) {
        self.ours += other.ours;
        self.changed += other.changed;
    }
}

impl Left {
    /// Reads the answer to [`Reader::count`].
    pub(super) fn read(row: Option<&SimpleQueryRow>) -> Result<Self, FaultError> {
        let number = |place: usize| row?.get(place)?.parse::<i64>().ok();
        match (number(0), number(1)) {
            (Some(ours), Some(changed)) => Ok(Self { ours, changed }),
            _ => Err(FaultError::Target(Failure::new("read the table back"))),
        }
    }
}

/// Reads the table of a step.
pub(super) struct Reader<'a> {
    pub(super) session: &'a PgSession,
    pub(super) step: &'a Step,
    pub(super) marker: Marker,
    pub(super) found: &'a Found,
    pub(super) children: &'a Children,
}

impl Reader<'_> {
    /// Returns the query that counts what is left under a condition.
    pub(super) fn count(&self, table: &str, condition: &str) -> String {
        let xmin = self.marker.xmin();
        if self.step.key.column().is_none() {
            // Without a key of their own, rows that others changed cannot be told from rows of others.
            return format!("SELECT count(*), 0 FROM {table} WHERE {condition} AND xmin = {xmin}");
        }
        format!(
            "SELECT count(*) FILTER (WHERE xmin = {xmin}), count(*) FILTER (WHERE NOT (xmin = {xmin})) \
             FROM {table} WHERE {condition}"
        )
    }

    /// Counts what is left in the whole table.
    pub(super) async fn whole(&self) -> Result<Left, FaultError> {
        let statement = self.count(&self.found.name, &self.step.key.condition());
        let rows = self.session.simple("read the table back", &statement).await?;
        Left::read(rows.first())
    }

    /// Counts those of our rows that others refer to.
    pub(super) async fn held_by_children(&self) -> Result<i64, FaultError> {
        let statement = format!(
            "SELECT count(*) FROM {} t WHERE {} AND xmin = {} AND ({})",
            self.found.name,
            self.step.key.condition(),
            self.marker.xmin(),
            self.children.any()
        );
        let rows = self.session.simple("look for rows that refer to ours", &statement).await?;
        Ok(rows.first().and_then(|row| row.get(0)?.parse().ok()).unwrap_or_default())
    }

    /// Makes the report of an undo that deleted `undone` rows and left `left`, `held` of them because of their children.
    pub(super) async fn report(&self, left: Left, held: i64, undone: i64) -> Result<Reverted, FaultError> {
        let mut reverted = Reverted::new(RevertOutcome::Restored);
        reverted.effect = Effect::default().with("rows", undone);
        let xmin = self.marker.xmin();
        if left.changed > 0 {
            let found = "changed since by somebody else, left as it is";
            self.list(&mut reverted, &format!("NOT (t.xmin = {xmin})"), left.changed, found).await?;
        }
        if held > 0 {
            let found = "other rows refer to it since, left as it is";
            let condition = format!("t.xmin = {xmin} AND ({})", self.children.any());
            self.list(&mut reverted, &condition, held, found).await?;
        }
        let missing = self.marker.rows - undone - left.changed - held;
        if missing > 0 {
            reverted.push_conflict(Conflict {
                what: format!("{missing} rows of {}", self.found.label),
                found: "deleted, moved or changed by somebody else since".to_owned(),
            });
        }
        Ok(reverted)
    }

    /// Adds the rows that fulfil a condition to the conflicts, the first of them by name.
    async fn list(
        &self,
        reverted: &mut Reverted,
        condition: &str,
        total: i64,
        found: &str,
    ) -> Result<(), FaultError> {
        let names: Vec<&str> = match (self.found.primary_key.as_slice(), self.step.key.column()) {
            ([], Some(column)) => vec![column],
            ([], None) => vec!["ctid"],
            (key, _) => key.iter().map(String::as_str).collect(),
        };
        let values: Vec<String> = names.iter().map(|name| format!("t.{}::text", sql::ident(name))).collect();
        let statement = format!(
            "SELECT {} FROM {} t WHERE {} AND {condition} LIMIT {}",
            values.join(", "),
            self.found.name,
            self.step.key.condition(),
            Reverted::CONFLICTS_MAX
        );
        let rows = self.session.simple("list the conflicts", &statement).await?;
        for row in &rows {
            let values: Vec<&str> = (0..row.len()).map(|place| row.get(place).unwrap_or("NULL")).collect();
            let what = format!("row ({})=({}) of {}", names.join(", "), values.join(", "), self.found.label);
            reverted.push_conflict(Conflict { what, found: found.to_owned() });
        }
        reverted.conflicts_total += total.cast_unsigned().saturating_sub(rows.len() as u64);
        Ok(())
    }
}
