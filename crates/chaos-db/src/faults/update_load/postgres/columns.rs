//! Chooses the columns that can be changed and set back without anything else noticing.

use std::collections::HashMap;

use chaos_core::FaultError;
use serde::{Deserialize, Serialize};

use super::super::COLUMNS_MAX;
use super::change::{Place, new_value};
use crate::postgres::PgSession;
use crate::postgres::preflight::Problem;
use crate::schema::{Column, ColumnKind, Table};

/// What the query says of a column that only stands in an ordinary index.
const INDEXED: &str = "indexed";

/// A column to be changed, with all that its new values are made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The name of the column.
    pub column: String,
    /// What values it takes.
    pub kind: ColumnKind,
    /// Its type as SQL writes it.
    pub sql_type: String,
}

/// What leans on the columns of a table, by column.
pub(super) type Restrictions = HashMap<String, Vec<String>>;

/// Asks what leans on the columns of `table`.
pub(super) async fn restrictions(session: &PgSession, table: &Table) -> Result<Restrictions, FaultError> {
    let what = format!("read what leans on the columns of `{}`", table.qualified());
    let sql = include_str!("restrictions.sql");
    let rows = session.query(what, sql, &[&table.schema, &table.name]).await?;
    let mut found = Restrictions::new();
    for row in rows {
        found.entry(row.get(0)).or_default().push(row.get(1));
    }
    Ok(found)
}

/// Returns the columns to be changed: those `wanted` that the table has, or, when none is wanted, the first few that
/// nothing leans on.
pub(super) fn choose(
    table: &Table,
    restrictions: &Restrictions,
    wanted: &[String],
) -> Result<Vec<Change>, Vec<Problem>> {
    let mut problems = key_problems(table);
    let named: Vec<&Column> =
        table.columns.iter().filter(|column| wanted.is_empty() || wanted.contains(&column.name)).collect();
    let refusals: Vec<Option<String>> = named.iter().map(|column| refusal(column, restrictions)).collect();
    let mut free: Vec<&Column> =
        named.iter().zip(&refusals).filter(|(_, why)| why.is_none()).map(|(column, _)| *column).collect();
    if free.is_empty() || !wanted.is_empty() {
        let refused = named.iter().zip(&refusals).filter_map(|(column, why)| Some((column, why.as_ref()?)));
        problems.extend(refused.map(|(column, why)| Problem {
            what: format!("column `{}` of `{}` {why}", column.name, table.qualified()),
            hint: "name other columns, or another table".to_owned(),
        }));
    }
    if named.is_empty() {
        problems.push(Problem {
            what: format!("table `{}` has no column {}", table.qualified(), quoted(wanted)),
            hint: "see `chaos discover` for the columns that are there".to_owned(),
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if wanted.is_empty() {
        // Every index of a changed column is more work for the server, so such columns come last.
        free.sort_by_key(|column| restrictions.contains_key(&column.name));
        free.truncate(COLUMNS_MAX);
    }
    Ok(free.into_iter().map(change).collect())
}

fn change(column: &Column) -> Change {
    Change { column: column.name.clone(), kind: column.kind.clone(), sql_type: column.sql_type.clone() }
}

/// The rows are found again by their key, so there must be one, and its `=` must be the server's own.
fn key_problems(table: &Table) -> Vec<Problem> {
    if table.primary_key.is_empty() {
        return vec![Problem {
            what: format!(
                "table `{}` has no primary key, so that no row of it can be found again",
                table.qualified()
            ),
            hint: "choose another table".to_owned(),
        }];
    }
    let foreign = table.primary_key.iter().filter_map(|name| table.column(name)).filter(|column| {
        matches!(column.kind, ColumnKind::Unsupported(_))
            || column.sql_type.trim_matches('"').ends_with("citext")
    });
    let problem = |column: &Column| Problem {
        what: format!(
            "key column `{}` of `{}` is of type `{}`",
            column.name,
            table.qualified(),
            column.sql_type
        ),
        hint: "choose another table".to_owned(),
    };
    foreign.map(problem).collect()
}

/// Why a column cannot be changed, as the end of a sentence that begins with its name.
fn refusal(column: &Column, restrictions: &Restrictions) -> Option<String> {
    let leaning = restrictions.get(&column.name).into_iter().flatten().filter(|why| *why != INDEXED);
    let mut reasons: Vec<String> = leaning.cloned().collect();
    let place = Place { old: "o", number: "n", seed: 0 };
    reasons.extend(
        new_value(&column.kind, &column.sql_type, &place)
            .err()
            .map(|why| format!("cannot be changed: {why}")),
    );
    if reasons.is_empty() { None } else { Some(reasons.join(" and ")) }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: ColumnKind) -> Column {
        Column {
            name: name.to_owned(),
            kind,
            sql_type: "text".to_owned(),
            not_null: false,
            default: None,
            identity: None,
            generated: false,
        }
    }

    fn table(key: &[&str], columns: &[&str]) -> Table {
        let text = ColumnKind::Text { max: None, padded: false };
        Table {
            schema: "public".to_owned(),
            name: "t".to_owned(),
            columns: columns.iter().map(|name| column(name, text.clone())).collect(),
            primary_key: key.iter().map(ToString::to_string).collect(),
            unique: Vec::new(),
            foreign_keys: Vec::new(),
            referenced_by: Vec::new(),
            checks: Vec::new(),
            triggers: Vec::new(),
            row_estimate: None,
            bytes: 0,
        }
    }

    fn restricted(entries: &[(&str, &str)]) -> Restrictions {
        let entry = |(name, why): &(&str, &str)| ((*name).to_owned(), vec![(*why).to_owned()]);
        entries.iter().map(entry).collect()
    }

    fn chosen(table: &Table, restrictions: &[(&str, &str)], wanted: &[&str]) -> Result<String, String> {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        let names = |changes: Vec<Change>| {
            changes.into_iter().map(|change| change.column).collect::<Vec<_>>().join(",")
        };
        let reasons =
            |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ");
        choose(table, &restricted(restrictions), &wanted).map(names).map_err(reasons)
    }

    #[test]
    fn the_first_three_free_columns_are_taken_those_without_an_index_first() {
        let table = table(&["id"], &["id", "a", "b", "c", "d", "e"]);
        let leaning = [("id", "is part of the primary key"), ("a", "indexed"), ("c", "is a foreign key")];
        assert_eq!(chosen(&table, &leaning, &[]).unwrap(), "b,d,e");
        assert_eq!(chosen(&table, &leaning, &["a", "e", "other"]).unwrap(), "a,e");
    }

    #[test]
    fn a_wanted_column_that_something_leans_on_is_refused_with_the_reason() {
        let table = table(&["id"], &["id", "a"]);
        let refused = chosen(&table, &[("a", "must be unique")], &["a"]).unwrap_err();
        assert_eq!(refused, "column `a` of `public.t` must be unique");
        assert_eq!(chosen(&table, &[], &["z"]).unwrap_err(), "table `public.t` has no column `z`");
    }

    #[test]
    fn a_table_without_key_or_free_column_is_refused_and_every_reason_named() {
        let refused = chosen(&table(&[], &["a"]), &[("a", "is generated")], &[]).unwrap_err();
        assert!(
            refused.contains("no primary key") && refused.contains("`a` of `public.t` is generated"),
            "{refused}"
        );
    }

    #[test]
    fn a_key_that_the_server_itself_cannot_compare_is_refused() {
        let mut keyed = table(&["id"], &["id", "a"]);
        keyed.columns[0].sql_type = "public.citext".to_owned();
        assert!(chosen(&keyed, &[("id", "is part of the primary key")], &[]).unwrap_err().contains("citext"));
    }
}
