//! Cuts the undo into parts, so that no transaction is long and the progress can be seen.

use chaos_core::FaultError;

use super::Step;
use crate::postgres::PgSession;

/// How many rows one part deletes: the figure at which many small transactions cost no more than one large one.
const ROWS: u64 = 20_000;
/// How many pages one part looks through, where rows can only be found by looking.
const PAGES: i64 = 1_000;
/// From this version on the server goes straight to a range of pages.
const PAGE_RANGES_SINCE: u32 = 140_000;

/// A part of our rows.
pub(super) struct Part {
    /// The table to delete from, quoted.
    pub(super) table: String,
    /// The condition of the part, that of the step included.
    pub(super) condition: String,
    /// Whether it is a range of keys, in which a row of ours stays even when it is moved to another page.
    pub(super) is_by_key: bool,
}

/// Cuts the rows of `step` in `table` into parts.
pub(super) async fn parts(
    session: &PgSession,
    step: &Step,
    table: &str,
    is_indexed: bool,
    version: u32,
) -> Result<Vec<Part>, FaultError> {
    if is_indexed && step.key.part(0, 0).is_some() {
        return Ok(by_key(step, table));
    }
    let what = format!("look at the pages of `{}`", step.qualified());
    let leaves = session.query(what, include_str!("leaves.sql"), &[&step.table_oid]).await?;
    let leaves: Vec<(String, i64)> = leaves.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(leaves.iter().flat_map(|(leaf, pages)| by_page(step, leaf, *pages, version)).collect())
}

fn by_key(step: &Step, table: &str) -> Vec<Part> {
    let starts = (0..step.rows).step_by(ROWS as usize);
    let part = |from: u64| step.key.part(from, (from + ROWS).min(step.rows) - 1);
    let conditions = starts.filter_map(part);
    conditions.map(|condition| Part { table: table.to_owned(), condition, is_by_key: true }).collect()
}

fn by_page(step: &Step, leaf: &str, pages: i64, version: u32) -> Vec<Part> {
    let table = format!("ONLY {leaf}");
    let condition = step.key.condition();
    if version < PAGE_RANGES_SINCE {
        return vec![Part { table, condition, is_by_key: false }];
    }
    let part = |from: i64| Part {
        table: table.clone(),
        condition: format!(
            "{condition} AND ctid >= '({from},0)'::tid AND ctid < '({},0)'::tid",
            from + PAGES
        ),
        is_by_key: false,
    };
    (0..pages).step_by(PAGES as usize).map(part).collect()
}
