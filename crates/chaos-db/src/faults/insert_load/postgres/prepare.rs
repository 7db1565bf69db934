//! Chooses what will be inserted where, and refuses what could not be taken back. Reads only.

use std::collections::BTreeMap;

use chaos_core::{Failure, FaultError, PrepareContext};
use tokio_postgres::types::ToSql;

use super::super::{Params, limit_tables};
use super::key::Key;
use super::rows::{Rows, needs};
use super::{Step, parents, place};
use crate::generate::{Needs, Obstacle};
use crate::postgres::preflight::{self, Operation, Problem};
use crate::postgres::{Helper, PgSession, PgTarget};
use crate::schema::{Check, Column, ColumnKind, ForeignKey, Table};

/// How many letters a tag has: short enough for short columns, long enough that no two runs have the same.
const TAG_LETTERS: usize = 6;

/// No single look at a table takes longer; where one would, the table is too big to be prepared without an index.
const LOOK_MAX: &str = "SET statement_timeout = '60s'";

/// The checks of foreign keys may read so many rows in all during an undo: some minutes of work.
const CHECKED_ROWS_MAX: f64 = 5e9;

/// Chooses one step for each table, parents before children.
pub(super) async fn prepare(
    cx: &PrepareContext,
    target: &PgTarget,
    params: &Params,
) -> Result<Vec<Step>, FaultError> {
    let session = target.session().await?;
    session.batch("limit the time of a query", LOOK_MAX).await?;
    let tables = target.tables(&session, &params.tables, &cx.filter).await?;
    let tables = limit_tables(params, tables)?;
    preflight::check_server(&session).await?;
    let mut steps = Vec::with_capacity(tables.len());
    for (place, table) in tables.iter().enumerate() {
        preflight::check_table(&session, table, Operation::Insert).await?;
        check_rights(&session, table).await?;
        check_undo_speed(&session, table, params.rows_per_table).await?;
        let helper = Helper::choose(cx, place + 1);
        steps.push(
            Preparation { cx, session: &session, table, rows: params.rows_per_table }.step(helper).await?,
        );
    }
    session.close().await;
    Ok(steps)
}

/// The undo looks into children before it deletes a parent, and locks the parent for that.
async fn check_rights(session: &PgSession, table: &Table) -> Result<(), FaultError> {
    let mut needed: Vec<(&str, &str, &str)> = Vec::new();
    let parent = |key: &'_ ForeignKey| (key.parent_schema.clone(), key.parent_table.clone());
    let parents: Vec<(String, String)> = table.foreign_keys.iter().map(parent).collect();
    needed.extend(parents.iter().map(|(schema, name)| (schema.as_str(), name.as_str(), "SELECT")));
    for key in &table.referenced_by {
        needed.push((&key.child_schema, &key.child_table, "SELECT"));
        needed.push((&table.schema, &table.name, "UPDATE"));
    }
    needed.sort_unstable();
    needed.dedup();
    let schemas: Vec<&str> = needed.iter().map(|need| need.0).collect();
    let names: Vec<&str> = needed.iter().map(|need| need.1).collect();
    let verbs: Vec<&str> = needed.iter().map(|need| need.2).collect();
    let what = format!("check the rights around `{}`", table.qualified());
    let rows = session.query(what, include_str!("rights.sql"), &[&schemas, &names, &verbs]).await?;
    let problems = rows.iter().map(|row| Problem { what: row.get(0), hint: row.get(1) }).collect();
    preflight::refuse_if_any(&format!("prepare an exact undo on table `{}`", table.qualified()), problems)
}

/// The server checks every foreign key of every deleted parent. Without an index an undo could take hours.
async fn check_undo_speed(session: &PgSession, table: &Table, rows: u64) -> Result<(), FaultError> {
    if table.referenced_by.is_empty() {
        return Ok(());
    }
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let what = format!("check the foreign keys that point to `{}`", table.qualified());
    let parameters: [&(dyn ToSql + Sync); 4] = [&table.schema, &table.name, &rows, &CHECKED_ROWS_MAX];
    let rows = session.query(what, include_str!("slow_undo.sql"), &parameters).await?;
    let problems = rows.iter().map(|row| Problem { what: row.get(0), hint: row.get(1) }).collect();
    preflight::refuse_if_any(
        &format!("prepare an undo in good time on table `{}`", table.qualified()),
        problems,
    )
}

/// Chooses the step of one table.
struct Preparation<'a> {
    cx: &'a PrepareContext,
    session: &'a PgSession,
    table: &'a Table,
    rows: u64,
}

impl Preparation<'_> {
    async fn step(&self, helper: Helper) -> Result<Step, FaultError> {
        let table = self.table;
        let choice = helper.fence.number();
        let tag = tag(choice);
        let numbers = Needs::of(table).map_err(|obstacles| self.refused(&obstacles))?.numbers;
        let uuids = uuid_column(table).filter(|_| numbers.is_empty());
        let first_numbers = self.first_numbers(&numbers).await?;
        let key = match (numbers_key(table, &first_numbers, self.rows), uuids) {
            (Some(key), _) => key,
            (None, Some(column)) => {
                Key::Uuids { column: column.name.clone(), prefix: choice >> 4, rows: self.rows }
            }
            (None, None) => match tag_column(table) {
                Some(column) => Key::Tag { column: column.to_owned(), tag: tag.clone() },
                None => Key::Transaction,
            },
        };
        let parent = |key: &ForeignKey| format!("{}.{}", key.parent_schema, key.parent_table);
        let mut parents: Vec<String> = table.foreign_keys.iter().map(parent).collect();
        parents.sort_unstable();
        parents.dedup();
        let step = Step {
            helper,
            schema: table.schema.clone(),
            table: table.name.clone(),
            table_oid: 0,
            rows: self.rows,
            seed: self.cx.seed,
            key,
            tag,
            first_numbers,
            partition: None,
            parents,
        };
        self.fit(step).await
    }

    /// Chooses the partition that the rows go to, and tries whether they could be made.
    async fn fit(&self, mut step: Step) -> Result<Step, FaultError> {
        let table = self.table;
        let needs = needs(table, &step.key).map_err(|obstacles| self.refused(&obstacles))?;
        let parents = parents::look_up(self.session, table, &needs, self.rows, step.seed).await?;
        let what = format!("look at the partitions of `{}`", table.qualified());
        let places =
            self.session.query(what, include_str!("partitions.sql"), &[&table.schema, &table.name]).await?;
        let mut refused = None;
        for place in &places {
            step.table_oid = place.get(0);
            step.partition = place.get::<_, Option<String>>(2).map(|expression| Check {
                name: place.get(1),
                columns: Vec::new(),
                expression,
            });
            match Rows::plan(table, &step, &parents) {
                Ok(_) => return Ok(step),
                Err(obstacles) => refused.get_or_insert(obstacles),
            };
        }
        Err(match refused {
            Some(obstacles) => self.refused(&obstacles),
            None => {
                let hint = "it has no partition, or is no longer there";
                FaultError::Preflight(Failure::new(format!("find `{}`", table.qualified())).hint(hint))
            }
        })
    }

    async fn first_numbers(&self, columns: &[String]) -> Result<BTreeMap<String, i64>, FaultError> {
        let mut numbers = BTreeMap::new();
        for column in columns.iter().filter_map(|name| self.table.column(name)) {
            // Uses of one run stand side by side; runs and tables are spread by their names.
            let spread =
                crate::postgres::fence::hash(&format!("{}{}", self.cx.run, self.table.qualified()), 0);
            let choice = spread.wrapping_add(u64::from(self.cx.use_number));
            let first = place::first_number(self.session, self.table, column, self.rows, choice).await?;
            numbers.insert(column.name.clone(), first);
        }
        Ok(numbers)
    }

    fn refused(&self, obstacles: &[Obstacle]) -> FaultError {
        let causes: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
        let what = format!("make rows for `{}`", self.table.qualified());
        let hint = "choose other tables with `tables:`, or relax the constraint";
        FaultError::Preflight(Failure::new(what).hint(hint).source(causes.join("; ")))
    }
}

/// Returns the range of numbers by which rows are known: best that of a column which an index begins with.
fn numbers_key(table: &Table, first_numbers: &BTreeMap<String, i64>, rows: u64) -> Option<Key> {
    let keys = [&table.primary_key].into_iter().chain(&table.unique);
    let leads = |name: &&String| keys.clone().any(|key| key.first() == Some(*name));
    let column = first_numbers.keys().find(leads).or_else(|| first_numbers.keys().next())?;
    let first = first_numbers[column];
    Some(Key::Numbers { column: column.clone(), first, last: first.saturating_add_unsigned(rows - 1) })
}

/// Returns a UUID of a key that is ours to choose: no foreign key and no check has a say in it.
fn uuid_column(table: &Table) -> Option<&Column> {
    let keys = [&table.primary_key].into_iter().chain(&table.unique);
    let mut columns = keys.flatten().filter_map(|name| table.column(name));
    let is_free = |column: &&Column| {
        let name = &column.name;
        column.kind == ColumnKind::Uuid
            && !column.generated
            && !table.foreign_keys.iter().any(|key| key.child_columns.contains(name))
            && !table.checks.iter().any(|check| check.columns.contains(name))
    };
    columns.find(is_free).filter(|_| table.columns.iter().filter(|column| !column.generated).count() > 1)
}

/// Returns the text column of a key of its own: every text in it holds the tag.
fn tag_column(table: &Table) -> Option<&str> {
    let keys = [&table.primary_key].into_iter().chain(&table.unique);
    let mut single = keys.filter(|key| key.len() == 1).filter_map(|key| table.column(&key[0]));
    let is_text = |column: &&Column| {
        matches!(column.kind, ColumnKind::Text { .. })
            && !table.foreign_keys.iter().any(|key| key.child_columns.contains(&column.name))
    };
    single.find(is_text).map(|column| column.name.as_str())
}

/// Makes a short text of small letters and digits that begins and ends with a letter.
fn tag(mut number: u64) -> String {
    const SIGNS: &[u8; 32] = b"abcdefghjkmnpqrstvwxyz0123456789";
    const LETTERS: u64 = 22;
    let sign = |place: usize| {
        let choices = if place == 0 || place + 1 == TAG_LETTERS { LETTERS } else { SIGNS.len() as u64 };
        let chosen = (number % choices) as usize;
        number /= choices;
        char::from(SIGNS[chosen])
    };
    (0..TAG_LETTERS).map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_short_and_begins_and_ends_with_a_letter() {
        for number in [0, 1, 12_345, u64::MAX] {
            let tag = tag(number);
            assert_eq!(tag.len(), TAG_LETTERS);
            assert!(tag.starts_with(|sign: char| sign.is_ascii_lowercase()), "{tag}");
            assert!(tag.ends_with(|sign: char| sign.is_ascii_lowercase()), "{tag}");
        }
        assert_ne!(tag(1), tag(2));
    }
}
