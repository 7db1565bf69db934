//! Sets the old values back, batch by batch.
//!
//! Each batch is one transaction behind the fence that restores its rows, notes those that it could not restore, and
//! notes itself as done. So it happens exactly once, whoever dies and comes again.

use chaos_core::crash::crash_point;
use chaos_core::{Conflict, Effect, Failure, FaultError, RevertOutcome, Reverted, StepContext};

use super::UpdateStep;
use super::statements::Statements;
use crate::postgres::{Marker, PgSession};

/// A batch finds its rows by their key. Left alone, the server may read the whole table for each batch instead.
pub(super) const NESTED_LOOPS: &str =
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off";

/// How many batches in a row may wait for somebody else's locks in vain before the rest is left for the next try.
const BUSY_MAX: u32 = 3;

/// What the helper tables say of the whole undo.
struct Tally {
    rows: u64,
    restored: u64,
    changed: u64,
    deleted: u64,
    back: u64,
}

/// Undoes whatever of the step is not undone yet, and reads back what became of every row.
pub(super) async fn revert(
    cx: &StepContext,
    session: &PgSession,
    step: &UpdateStep,
) -> Result<Reverted, FaultError> {
    let Some((marker, batches, name)) = look(session, step).await? else {
        return Ok(Reverted::without_trace(cx, &format!("schema {}", step.helper.schema), &step.to_string()));
    };
    let outcome = if batches.is_empty() { RevertOutcome::NothingToDo } else { RevertOutcome::Restored };
    let notes = match name {
        Some((schema, table)) => {
            let statements = Statements::on(step, &schema, &table);
            restore_all(cx, session, step, &statements, &marker, &batches).await?;
            Vec::new()
        }
        None => {
            give_up_table(session, step).await?;
            vec![format!("table `{}` was dropped by somebody else", step.qualified())]
        }
    };
    let statements = Statements::new(step);
    let tally = verify(session, step, &statements, &marker).await?;
    let mut reverted = report(step, outcome, &tally);
    reverted.notes.extend(notes);
    reverted.conflicts = conflicts(session, step, &statements).await?;
    Ok(reverted)
}

type Name = (String, String);

/// Reads behind the fence what there is to undo: the marker, the batches that are open, and the name that the table has
/// by now. Without a marker nothing was ever committed.
async fn look(
    session: &PgSession,
    step: &UpdateStep,
) -> Result<Option<(Marker, Vec<u64>, Option<Name>)>, FaultError> {
    session.begin().await?;
    step.helper.fence.take_for_undo(session).await?;
    let marker = step.helper.read(session).await?;
    let found = match marker {
        Some(marker) => {
            Some((marker, open_batches(session, step).await?, current_name(session, step).await?))
        }
        None => None,
    };
    session.commit().await?;
    Ok(found)
}

async fn open_batches(session: &PgSession, step: &UpdateStep) -> Result<Vec<u64>, FaultError> {
    let statements = Statements::new(step);
    let sql = format!(
        "SELECT batch FROM generate_series(0, (SELECT (max(id) - 1) / {} FROM {})) AS batch \
         WHERE batch NOT IN (SELECT d.batch FROM {} AS d) ORDER BY batch",
        step.batch_rows, statements.helper, statements.done
    );
    let rows = session.simple("find what is left to undo", &sql).await?;
    Ok(rows.iter().filter_map(|row| row.get(0)?.parse().ok()).collect())
}

async fn current_name(session: &PgSession, step: &UpdateStep) -> Result<Option<Name>, FaultError> {
    let sql = format!(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {}",
        step.oid
    );
    let rows = session.simple("find the table again", &sql).await?;
    Ok(rows.first().and_then(|row| Some((row.get(0)?.to_owned(), row.get(1)?.to_owned()))))
}

/// Restores batch after batch. One that waits for somebody else's lock in vain is left for the next try, and the others
/// are done regardless.
async fn restore_all(
    cx: &StepContext,
    session: &PgSession,
    step: &UpdateStep,
    statements: &Statements<'_>,
    marker: &Marker,
    batches: &[u64],
) -> Result<(), FaultError> {
    let (mut busy, mut busy_in_a_row) = (None, 0);
    let total = batches.len() as u64 * step.batch_rows;
    for (place, batch) in (1..).zip(batches) {
        match restore_batch(session, step, statements, marker, *batch, batches.len() > 1).await {
            Ok(()) => busy_in_a_row = 0,
            Err(error @ FaultError::Busy(_)) => {
                session.rollback().await?;
                busy = Some(error);
                busy_in_a_row += 1;
            }
            Err(error) => return Err(error),
        }
        if busy_in_a_row == BUSY_MAX {
            break;
        }
        cx.progress.report("rows", (place * step.batch_rows).min(total), total);
    }
    busy.map_or(Ok(()), Err)
}

async fn restore_batch(
    session: &PgSession,
    step: &UpdateStep,
    statements: &Statements<'_>,
    marker: &Marker,
    batch: u64,
    is_one_of_many: bool,
) -> Result<(), FaultError> {
    let what = format!("set the old values back in `{}`", step.qualified());
    session.begin().await?;
    step.helper.fence.take_for_undo(session).await?;
    let settings = if is_one_of_many { NESTED_LOOPS } else { "" };
    let done = format!("{settings}; SELECT count(*) FROM {} WHERE batch = {batch}", statements.done);
    let done = session.simple(what.clone(), &done).await?;
    if done.first().and_then(|row| row.get(0)) != Some("0") {
        // Somebody else who undoes the same step was faster.
        return session.rollback().await;
    }
    crash_point("pg.update.undo.before_batch");
    let ids = format!("h.id > {} AND h.id <= {}", batch * step.batch_rows, (batch + 1) * step.batch_rows);
    let counted = session
        .simple(what.clone(), &statements.restore(batch, &ids, &marker.xmin()))
        .await
        .map_err(|error| explain_altered(step, error))?;
    let number = |place: usize| counted.first()?.get(place)?.parse::<u64>().ok();
    let (Some(rows), Some(restored), Some(exact)) = (number(0), number(1), number(2)) else {
        return Err(FaultError::Target(Failure::new(what)));
    };
    if exact != restored {
        let what = format!("{what}: the server stored something else");
        return Err(FaultError::Target(
            Failure::new(what).hint("a trigger was added since; disable it and recover"),
        ));
    }
    if restored != rows {
        let noted = session.affected(what.clone(), &statements.note_conflicts(&ids)).await;
        let noted = noted.map_err(|error| explain_altered(step, error))?;
        if noted + restored != rows {
            return Err(FaultError::Target(Failure::new(format!(
                "{what}: {rows} rows, {restored} set back, {noted} not"
            ))));
        }
    }
    crash_point("pg.update.undo.before_commit");
    session.commit().await?;
    crash_point("pg.update.undo.after_commit");
    Ok(())
}

/// What the server says of a table that fits our statements no longer: a column is gone, or has another type.
const ALTERED: [&str; 4] = ["42703", "42804", "42846", "42883"];

/// Says in plain words that the columns are no longer those that were changed, where that is the trouble.
fn explain_altered(step: &UpdateStep, error: FaultError) -> FaultError {
    let said = error.chain();
    if !ALTERED.iter().any(|state| said.contains(&format!("(SQLSTATE {state})"))) {
        return error;
    }
    let columns = step.changes.iter().map(|change| format!("`{}` {}", change.column, change.sql_type));
    let what = format!("set the old values back in `{}`: its columns were altered since", step.qualified());
    let hint = format!(
        "restore the columns as they were ({}, and the primary key) and recover again; rows that the server has written \
         anew count as changed. Or leave the rows as they are: `chaos recover RUN --abandon`",
        columns.collect::<Vec<_>>().join(", ")
    );
    FaultError::Target(Failure::new(what).hint(hint).source(said))
}

/// The table itself is gone, and every row with it.
async fn give_up_table(session: &PgSession, step: &UpdateStep) -> Result<(), FaultError> {
    session.begin().await?;
    step.helper.fence.take_for_undo(session).await?;
    session.batch("note that the table is gone", &Statements::new(step).note_all_gone()).await?;
    session.commit().await
}

/// Every row that the marker counts must be accounted for.
async fn verify(
    session: &PgSession,
    step: &UpdateStep,
    statements: &Statements<'_>,
    marker: &Marker,
) -> Result<Tally, FaultError> {
    let what = format!("read back what became of the rows of `{}`", step.qualified());
    let sql = format!(
        "SELECT (SELECT count(*) FROM {helper}), d.rows, d.restored, c.changed, c.deleted, c.back FROM \
         (SELECT coalesce(sum(rows), 0) AS rows, coalesce(sum(restored), 0) AS restored FROM {done}) AS d, \
         (SELECT count(*) FILTER (WHERE found = 'changed') AS changed, count(*) FILTER (WHERE found = 'deleted') AS deleted, \
                 count(*) FILTER (WHERE found = 'back') AS back FROM {conflicts}) AS c",
        helper = statements.helper,
        done = statements.done,
        conflicts = statements.conflicts,
    );
    let rows = session.simple(what.clone(), &sql).await?;
    let numbers: Option<Vec<u64>> = (0..6).map(|place| rows.first()?.get(place)?.parse().ok()).collect();
    let Some(&[helper, done, restored, changed, deleted, back]) = numbers.as_deref() else {
        return Err(FaultError::Target(Failure::new(what)));
    };
    let all = marker.rows.cast_unsigned();
    if helper != all || done != all || restored + changed + deleted + back != all {
        let what = format!(
            "{what}: {all} were changed, {helper} are kept, {done} are undone, {restored} are restored"
        );
        return Err(FaultError::Target(Failure::new(what).hint("somebody changed the helper tables")));
    }
    Ok(Tally { rows: all, restored, changed, deleted, back })
}

fn report(step: &UpdateStep, outcome: RevertOutcome, tally: &Tally) -> Reverted {
    let mut reverted = Reverted::new(outcome);
    reverted.effect = Effect::default().with("table", step.qualified()).with("rows", tally.restored);
    if tally.restored != tally.rows {
        reverted.effect = reverted.effect.with("rows_changed", tally.rows);
    }
    reverted.conflicts_total = tally.changed + tally.deleted;
    if tally.back > 0 {
        let note = format!("{} rows of `{}` had their old values already", tally.back, step.qualified());
        reverted.notes.push(note);
    }
    reverted
}

/// Returns the first conflicts, row by row.
async fn conflicts(
    session: &PgSession,
    step: &UpdateStep,
    statements: &Statements<'_>,
) -> Result<Vec<Conflict>, FaultError> {
    let sql = format!(
        "SELECT c.found, {} FROM {} AS c JOIN {} AS h ON h.id = c.id WHERE c.found <> 'back' ORDER BY c.id LIMIT {}",
        statements.key_text(),
        statements.conflicts,
        statements.helper,
        Reverted::CONFLICTS_MAX
    );
    let rows = session.simple("read the conflicts", &sql).await?;
    let columns = step.key.join(", ");
    let conflict = |row: &tokio_postgres::SimpleQueryRow| Conflict {
        what: format!("row ({columns})=({}) of {}", row.get(1).unwrap_or_default(), step.qualified()),
        found: match row.get(0) {
            Some("deleted") => "deleted since by somebody else".to_owned(),
            _ => "changed since by somebody else, left as it is".to_owned(),
        },
    };
    Ok(rows.iter().map(conflict).collect())
}
