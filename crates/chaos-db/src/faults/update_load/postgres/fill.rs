//! Chooses random rows, locks them and copies them into the helper table.

use std::collections::BTreeSet;

use chaos_core::{Failure, FaultError};

use super::UpdateStep;
use super::other_loads::{OtherLoads, array};
use super::statements::{Copied, Statements};
use crate::postgres::PgSession;

/// A table up to this size is counted; of a larger one the statistics must do.
const COUNTED_BYTES_MAX: u64 = 256 << 20;

/// How far a sample is aimed beyond the rows wanted: this many standard deviations and a few rows for tiny samples.
const MARGIN_DEVIATIONS: f64 = 6.0;
const MARGIN_ROWS: f64 = 20.0;

/// How far statistics are trusted.
const STATISTICS_ERROR: f64 = 1.1;

/// Of a large table so many pages are read for every row that is wanted, and not fewer than these, so that few rows do not
/// cost a reading of the whole table.
const PAGES_PER_ROW: u64 = 4;
const PAGES_MIN: u64 = 1_000;

/// How large a table is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Size {
    Counted { rows: u64 },
    Estimated { rows: u64, pages: u64 },
}

/// Fills the helper table with up to `step.rows` random rows that no other step of ours holds, and returns how many
/// there are. The rows stay locked until the end of the transaction.
pub(super) async fn fill(
    session: &PgSession,
    others: &OtherLoads,
    step: &UpdateStep,
    statements: &Statements<'_>,
) -> Result<u64, FaultError> {
    let what = format!("copy rows of `{}`", step.qualified());
    let size = size(session, step).await?;
    let taken = others.xids().await?;
    let free =
        if taken.is_empty() { String::new() } else { format!("AND t.xmin <> ALL ({})", array(&taken)) };
    let sample = sample(step.rows, size, step.seed);
    let copied = Copied {
        sample: &sample.clause,
        conditions: &format!("{free} {}", sample.condition),
        limit: step.rows.saturating_mul(2).saturating_add(1_000),
        last_id: 0,
    };
    let mut rows = session.affected(what.clone(), &statements.copy(&copied)).await?;
    let last_id = rows;
    if rows > step.rows {
        rows -= session.affected(what.clone(), &statements.drop_surplus(rows - step.rows)).await?;
    }
    if rows < step.rows && !sample.clause.is_empty() {
        let conditions = format!("{free} AND {}", statements.is_not_copied());
        let copied = Copied {
            sample: "",
            conditions: &conditions,
            limit: step.rows - rows,
            last_id: last_id.max(copied.limit),
        };
        rows += session.affected(what.clone(), &statements.copy(&copied)).await?;
    }
    rows -= drop_taken_meanwhile(session, others, &taken, statements).await?;
    let sql = format!("ALTER TABLE {} ADD PRIMARY KEY (id)", statements.helper);
    session.batch(what, &sql).await?;
    Ok(rows)
}

/// Rows that another step inserted and committed after we had asked for the others, and that we could already see.
async fn drop_taken_meanwhile(
    session: &PgSession,
    others: &OtherLoads,
    taken: &BTreeSet<u32>,
    statements: &Statements<'_>,
) -> Result<u64, FaultError> {
    let late: BTreeSet<u32> = others.xids().await?.difference(taken).copied().collect();
    if late.is_empty() {
        return Ok(0);
    }
    let sql = statements.drop_where(&format!("t.xmin = ANY ({})", array(&late)));
    session.affected("leave out the rows of another run", &sql).await
}

async fn size(session: &PgSession, step: &UpdateStep) -> Result<Size, FaultError> {
    let what = format!("count the rows of `{}`", step.qualified());
    let oid = step.oid;
    let sql = format!(
        "SELECT coalesce(sum(bytes), 0)::bigint, coalesce(sum(bytes / page), 0)::bigint, \
                CASE WHEN bool_and(bytes = 0 OR (relpages > 0 AND reltuples >= 0)) THEN \
                  sum(reltuples / nullif(relpages, 0) * (bytes / page))::bigint END \
         FROM (SELECT relpages, reltuples, pg_relation_size(oid) AS bytes, \
                      current_setting('block_size')::bigint AS page FROM pg_class \
               WHERE relkind = 'r' AND (oid = {oid} OR oid IN (SELECT relid FROM pg_partition_tree({oid})))) AS part"
    );
    let rows = session.simple(what.clone(), &sql).await?;
    let number = |place: usize| rows.first()?.get(place)?.parse::<u64>().ok();
    match (number(0), number(1), number(2)) {
        (Some(bytes), Some(pages), Some(rows)) if bytes > COUNTED_BYTES_MAX => {
            Ok(Size::Estimated { rows, pages })
        }
        _ => count(session, what, step).await,
    }
}

async fn count(session: &PgSession, what: String, step: &UpdateStep) -> Result<Size, FaultError> {
    let table = crate::postgres::sql::qualified(&step.schema, &step.table);
    let rows = session.simple(what.clone(), &format!("SELECT count(*) FROM {table}")).await?;
    let rows = rows.first().and_then(|row| row.get(0)?.parse().ok());
    let rows = rows.ok_or_else(|| FaultError::Target(Failure::new(what)))?;
    Ok(Size::Counted { rows })
}

/// How a random sample is taken.
#[derive(Debug, Default, PartialEq)]
struct Sample {
    /// `TABLESAMPLE …`; nothing when all rows are needed.
    clause: String,
    /// What else a row must meet, beginning with `AND`.
    condition: String,
}

/// Returns how to take a random sample of a little more than `rows`.
fn sample(rows: u64, size: Size, seed: u32) -> Sample {
    let wanted = rows as f64;
    let aim = wanted + MARGIN_DEVIATIONS * wanted.sqrt() + MARGIN_ROWS;
    let (all, aim) = match size {
        Size::Counted { rows: all } => (all, aim),
        Size::Estimated { rows: all, pages } => {
            let read = rows.saturating_mul(PAGES_PER_ROW).max(PAGES_MIN);
            if read < pages {
                return pages_sample(aim * STATISTICS_ERROR, all, read, pages, seed);
            }
            (all, aim * STATISTICS_ERROR)
        }
    };
    let percent = 100.0 * aim / (all.max(1) as f64);
    if percent >= 100.0 {
        return Sample::default();
    }
    let clause = format!("TABLESAMPLE BERNOULLI ({percent:.9}) REPEATABLE ({seed})");
    Sample { clause, condition: String::new() }
}

/// Reads random pages and takes few rows of each, so that they are spread wide.
fn pages_sample(aim: f64, all: u64, read: u64, pages: u64, seed: u32) -> Sample {
    let percent = 100.0 * (read as f64) / (pages as f64);
    let candidates = (all as f64) * percent / 100.0;
    let one_in = (candidates / aim).floor().max(1.0);
    Sample {
        clause: format!("TABLESAMPLE SYSTEM ({percent:.9}) REPEATABLE ({seed})"),
        condition: format!("AND (hashtext(t.ctid::text || ':{seed}') & 2147483647) % {one_in:.0} = 0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_aimed_a_little_beyond_what_is_wanted() {
        let counted = sample(10_000, Size::Counted { rows: 1_000_000 }, 7);
        assert_eq!(counted.clause, "TABLESAMPLE BERNOULLI (1.062000000) REPEATABLE (7)");
        let estimated = sample(10_000, Size::Estimated { rows: 1_000_000, pages: 40_000 }, 7);
        assert_eq!(estimated.clause, "TABLESAMPLE BERNOULLI (1.168200000) REPEATABLE (7)");
    }

    #[test]
    fn few_rows_of_a_large_table_are_taken_from_few_pages() {
        let huge = Size::Estimated { rows: 10_000_000_000, pages: 100_000_000 };
        let few = sample(100, huge, 7);
        assert_eq!(few.clause, "TABLESAMPLE SYSTEM (0.001000000) REPEATABLE (7)");
        // 100 rows on each of 1000 pages, of which 198 are aimed at.
        assert!(few.condition.ends_with("% 505 = 0"), "{}", few.condition);
    }

    #[test]
    fn a_table_that_is_hardly_larger_is_read_as_a_whole() {
        assert_eq!(sample(100, Size::Counted { rows: 120 }, 7), Sample::default());
        assert_eq!(sample(100, Size::Counted { rows: 0 }, 7), Sample::default());
    }
}
