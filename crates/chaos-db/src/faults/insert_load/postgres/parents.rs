//! Looks up existing rows for new rows to refer to.

use std::collections::HashMap;

use chaos_core::{Failure, FaultError};

use crate::generate::{Cell, Needs};
use crate::postgres::{PgSession, sql};
use crate::schema::{ForeignKey, Table};

/// So many parents of one foreign key are enough variety.
const PARENTS_MAX: u64 = 1_000;
/// From so many rows on, parents are sampled from all over the table instead of taken from its beginning.
const SAMPLE_FROM: f64 = 20_000.0;
/// Fewer sampled rows than this say that the estimate was wrong.
const SAMPLE_MIN: usize = 50;
/// So many parents that each have one child at most are kept in memory.
const FREE_PARENTS_MAX: u64 = 200_000;

/// Parent rows by name of the foreign key.
pub(super) type Parents = HashMap<String, Vec<Vec<Cell>>>;

/// Looks up parent rows for every foreign key of the table. The same seed on the same rows finds the same parents.
pub(super) async fn look_up(
    session: &PgSession,
    table: &Table,
    needs: &Needs,
    rows: u64,
    seed: u64,
) -> Result<Parents, FaultError> {
    let mut parents = Parents::new();
    for key in &table.foreign_keys {
        let found = if needs.free_parents.contains(&key.name) {
            free(session, table, key, rows).await?
        } else {
            sampled(session, key, seed).await?
        };
        parents.insert(key.name.clone(), found);
    }
    Ok(parents)
}

async fn sampled(session: &PgSession, key: &ForeignKey, seed: u64) -> Result<Vec<Vec<Cell>>, FaultError> {
    let estimate = row_estimate(session, key).await?;
    if estimate >= SAMPLE_FROM {
        let percent = 150.0 * PARENTS_MAX as f64 / estimate;
        // The sample takes whole pages, so it begins at a different place for each seed.
        let sample = format!("TABLESAMPLE SYSTEM ({percent}) REPEATABLE ({})", seed % 1_000_003);
        let found = ask(session, key, &sample, "", PARENTS_MAX).await?;
        if found.len() >= SAMPLE_MIN {
            return Ok(found);
        }
    }
    ask(session, key, "", "", PARENTS_MAX).await
}

async fn row_estimate(session: &PgSession, key: &ForeignKey) -> Result<f64, FaultError> {
    let sql = "SELECT greatest(c.reltuples, 0)::float8 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'r'";
    let what = format!("estimate the rows of `{}.{}`", key.parent_schema, key.parent_table);
    let rows = session.query(what, sql, &[&key.parent_schema, &key.parent_table]).await?;
    Ok(rows.first().map_or(0.0, |row| row.get(0)))
}

/// Looks up one parent for each row, none of which has a child in this table yet.
async fn free(
    session: &PgSession,
    table: &Table,
    key: &ForeignKey,
    rows: u64,
) -> Result<Vec<Vec<Cell>>, FaultError> {
    if rows > FREE_PARENTS_MAX {
        let what = format!("find {rows} rows for foreign key `{}`, one for each new row", key.name);
        let hint = format!("insert at most {FREE_PARENTS_MAX} rows into `{}`", table.qualified());
        return Err(FaultError::Preflight(Failure::new(what).hint(hint)));
    }
    let pairs = key.child_columns.iter().zip(&key.parent_columns);
    let same: Vec<String> =
        pairs.map(|(child, parent)| format!("c.{} = p.{}", sql::ident(child), sql::ident(parent))).collect();
    let child = sql::qualified(&table.schema, &table.name);
    let free = format!("AND NOT EXISTS (SELECT FROM {child} c WHERE {})", same.join(" AND "));
    ask(session, key, "", &free, rows).await
}

async fn ask(
    session: &PgSession,
    key: &ForeignKey,
    sample: &str,
    condition: &str,
    limit: u64,
) -> Result<Vec<Vec<Cell>>, FaultError> {
    let columns: Vec<String> =
        key.parent_columns.iter().map(|name| format!("p.{}", sql::ident(name))).collect();
    let there: Vec<String> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    let texts: Vec<String> = columns.iter().map(|column| format!("{column}::text")).collect();
    let statement = format!(
        "SELECT {} FROM {} p {sample} WHERE {} {condition} LIMIT {limit}",
        texts.join(", "),
        sql::qualified(&key.parent_schema, &key.parent_table),
        there.join(" AND "),
    );
    let what = format!("look up rows of `{}.{}` to refer to", key.parent_schema, key.parent_table);
    let rows = session.simple(what, &statement).await?;
    let cells = |row: &tokio_postgres::SimpleQueryRow| {
        (0..row.len())
            .map(|place| row.get(place).map_or(Cell::Null, |text| Cell::Text(text.to_owned())))
            .collect()
    };
    Ok(rows.iter().map(cells).collect())
}
