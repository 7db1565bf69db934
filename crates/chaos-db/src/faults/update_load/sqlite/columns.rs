//! Chooses the columns that can be changed and put back without anything else noticing.

use chaos_core::{Failure, FaultError};

use super::super::COLUMNS_MAX;
use crate::postgres::preflight::{Problem, refuse_if_any};
use crate::schema::Column;
use crate::sqlite::catalog::SqliteTable;
use crate::sqlite::declared::mentions;

/// Returns the columns to be changed: those `wanted` that the table has, or, when none is wanted, the first few that
/// nothing leans on.
pub(super) fn choose(of: &SqliteTable, wanted: &[String]) -> Result<Vec<String>, FaultError> {
    let name = of.table.qualified();
    let what = format!("change columns of table `{name}`");
    let named: Vec<&Column> =
        of.table.columns.iter().filter(|column| wanted.is_empty() || wanted.contains(&column.name)).collect();
    if named.is_empty() {
        let failure = Failure::new(what).source(format!("it has no column `{}`", wanted.join("` or `")));
        return Err(FaultError::Params(failure.hint("see `chaos discover` for the columns that are there")));
    }
    let (mut free, mut problems) = (Vec::new(), Vec::new());
    for column in named {
        match refusal(of, column) {
            None => free.push(column),
            Some(why) => problems.push(Problem {
                what: format!("column `{}` {why}", column.name),
                hint: "name other columns, or another table".to_owned(),
            }),
        }
    }
    if free.is_empty() || !wanted.is_empty() {
        refuse_if_any(&what, problems)?;
    }
    if wanted.is_empty() {
        // Every index of a changed column is more to write, so such columns come last.
        free.sort_by_key(|column| of.indexes.iter().any(|index| mentions(index, &column.name)));
        free.truncate(COLUMNS_MAX);
    }
    Ok(free.into_iter().map(|column| column.name.clone()).collect())
}

/// Returns why a column must be left alone.
fn refusal(of: &SqliteTable, column: &Column) -> Option<&'static str> {
    let name = &column.name;
    let same = |known: &String| known.eq_ignore_ascii_case(name);
    let in_unique_index = |index: &&String| mentions(index, "unique") && mentions(index, name);
    if column.generated {
        Some("is computed")
    } else if of.table.primary_key.iter().any(same) {
        Some("is part of the primary key")
    } else if of.table.unique.iter().flatten().any(same)
        || of.indexes.iter().any(|index| in_unique_index(&index))
    {
        Some("is part of a unique key")
    } else if of.table.foreign_keys.iter().any(|key| key.child_columns.iter().any(same)) {
        Some("is part of a foreign key")
    } else if of.table.referenced_by.iter().any(|key| key.parent_columns.iter().any(same)) {
        Some("is referred to by another table")
    } else if of.table.checks.iter().any(|check| mentions(&check.expression, name)) {
        Some("stands in a check constraint")
    } else if of.computations.iter().any(|expression| mentions(expression, name)) {
        Some("is what another column is computed from")
    } else {
        None
    }
}
