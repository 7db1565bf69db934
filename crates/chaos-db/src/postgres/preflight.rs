//! Asks, before anything happens, whether it could be undone: server, database, tables, rights, locks, space.
//!
//! Every problem found is named, so that a person does not meet them one by one.

mod space;

use std::fmt;

use chaos_core::{Failure, FaultError};
use tokio_postgres::types::{ToSql, Type};

use super::PgSession;
use super::error::classify;
use crate::schema::Table;

pub use space::check_space;

/// How many problems one refusal spells out.
const PROBLEMS_MAX: usize = 20;

const SERVER_SQL: &str = include_str!("preflight/server.sql");
const TABLE_SQL: &str = include_str!("preflight/table.sql");

/// What will be done to a table, as far as preflight must know.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'a> {
    /// Rows are inserted, and deleted by the undo.
    Insert,
    /// These columns are updated, and updated again by the undo.
    Update {
        /// The names of the columns.
        columns: &'a [String],
    },
}

/// One reason why something could not be undone, or not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is in the way, as half a sentence.
    pub what: String,
    /// What a person can do about it.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Checks that server, database and role allow changes of ours and their exact undo.
///
/// # Errors
/// [`FaultError::Preflight`] that names everything in the way.
pub async fn check_server(session: &PgSession) -> Result<(), FaultError> {
    let rows = session
        .client
        .query_typed(SERVER_SQL, &[])
        .await
        .map_err(|source| classify("check the server before any change", source))?;
    let problems = rows.iter().map(problem).collect();
    refuse_if_any("prepare an exact undo on this server", problems)
}

/// Checks that `table` allows the operation and its exact undo, here and now.
///
/// # Errors
/// [`FaultError::Preflight`] that names everything in the way.
pub async fn check_table(
    session: &PgSession,
    table: &Table,
    operation: Operation<'_>,
) -> Result<(), FaultError> {
    let problems = table_problems(session, &table.schema, &table.name, operation).await?;
    refuse_if_any(&format!("prepare an exact undo on table `{}`", table.qualified()), problems)
}

/// Makes one refusal of all problems, or none when there are none.
///
/// # Errors
/// [`FaultError::Preflight`] when there is any problem.
pub fn refuse_if_any(what: &str, problems: Vec<Problem>) -> Result<(), FaultError> {
    if problems.is_empty() {
        return Ok(());
    }
    let mut hints: Vec<&str> = Vec::new();
    for problem in problems.iter().take(PROBLEMS_MAX) {
        if !hints.contains(&problem.hint.as_str()) {
            hints.push(&problem.hint);
        }
    }
    let causes = list(&problems, PROBLEMS_MAX);
    Err(FaultError::Preflight(Failure::new(what).hint(hints.join("; ")).source(causes)))
}

/// Returns the first `max` problems in one line, and how many there are beside them.
pub fn list(problems: &[Problem], max: usize) -> String {
    let mut text = problems.iter().take(max).map(Problem::to_string).collect::<Vec<_>>().join("; ");
    if problems.len() > max {
        text.push_str(&format!("; and {} more", problems.len() - max));
    }
    text
}

/// Returns everything that stands in the way of the operation on one table.
///
/// # Errors
/// When the server cannot be asked.
pub async fn table_problems(
    session: &PgSession,
    schema: &str,
    table: &str,
    operation: Operation<'_>,
) -> Result<Vec<Problem>, FaultError> {
    let (verb, columns) = match operation {
        Operation::Insert => ("insert", &[][..]),
        Operation::Update { columns } => ("update", columns),
    };
    let parameters: [(&(dyn ToSql + Sync), Type); 4] =
        [(&schema, Type::TEXT), (&table, Type::TEXT), (&verb, Type::TEXT), (&columns, Type::TEXT_ARRAY)];
    let rows =
        session.client.query_typed(TABLE_SQL, &parameters).await.map_err(|source| {
            classify(format!("check table `{schema}.{table}` before any change"), source)
        })?;
    Ok(rows.iter().map(problem).collect())
}

fn problem(row: &tokio_postgres::Row) -> Problem {
    Problem { what: row.get(0), hint: row.get(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(number: usize) -> Problem {
        Problem { what: format!("problem {number}"), hint: "do something".to_owned() }
    }

    #[test]
    fn a_refusal_names_every_problem_and_each_hint_once() {
        let error = refuse_if_any("do it", vec![problem(1), problem(2)]).unwrap_err();
        assert_eq!(error.chain(), "do it: problem 1; problem 2");
        assert_eq!(error.hint(), Some("do something"));
        assert!(refuse_if_any("do it", Vec::new()).is_ok());
    }

    #[test]
    fn a_refusal_of_hundreds_of_tables_stays_readable() {
        let error = refuse_if_any("do it", (0..300).map(problem).collect()).unwrap_err();
        assert!(error.chain().ends_with("problem 19; and 280 more"), "{}", error.chain());
    }
}
