//! Deletes the rows of a step, and only those that are still as its transaction left them.
//!
//! The work is done in parts, each in a transaction of its own that takes the fence, deletes, reads back, and counts what
//! it deleted in the marker: killed at any point, the next undo goes on where this one stopped.

use chaos_core::crash::crash_point;
use chaos_core::{Conflict, Effect, Failure, FaultError, RevertOutcome, Reverted, StepContext};

use super::Step;
use super::children::Children;
use super::left::{Found, Left, Reader};
use super::parts::{Part, parts};
use crate::postgres::{Marker, PgSession, PgTarget};

/// The parts do not wait for the disk: a part that a crash of the server loses is done again. The end of the undo waits,
/// and with it everything before.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off";

/// Takes back what the step inserted.
pub(super) async fn revert(cx: &StepContext, target: &PgTarget, step: &Step) -> Result<Reverted, FaultError> {
    let session = target.session().await?;
    let Some(marker) = read_marker(&session, step).await? else {
        session.close().await;
        return Ok(Reverted::without_trace(cx, &format!("schema {}", step.helper.schema), &step.to_string()));
    };
    let reverted = match Found::find(&session, step).await? {
        None => gone(step, &marker),
        Some(found) => {
            let children = Children::find(&session, step).await?;
            let reader = Reader { session: &session, step, marker, found: &found, children: &children };
            let undo = Undo { cx, session: &session, step, marker, reader };
            let left = undo.delete(target.server_version_num()).await?;
            undo.finish(left).await?
        }
    };
    session.close().await;
    Ok(reverted)
}

/// Reads the marker from behind the fence.
async fn read_marker(session: &PgSession, step: &Step) -> Result<Option<Marker>, FaultError> {
    session.begin().await?;
    step.helper.fence.take_for_undo(session).await?;
    let marker = step.helper.read(session).await?;
    session.commit().await?;
    Ok(marker)
}

/// The table is no longer there, and our rows went with it.
fn gone(step: &Step, marker: &Marker) -> Reverted {
    let mut reverted = Reverted::new(RevertOutcome::Restored);
    reverted.effect = Effect::default().with("rows", marker.undone);
    reverted.push_conflict(Conflict {
        what: format!("table {}", step.qualified()),
        found: "dropped by somebody else since, with our rows in it".to_owned(),
    });
    reverted
}

struct Undo<'a> {
    cx: &'a StepContext,
    session: &'a PgSession,
    step: &'a Step,
    marker: Marker,
    reader: Reader<'a>,
}

impl Undo<'_> {
    /// Deletes part by part, and returns what the parts have left. At the end a transaction is open and holds the fence.
    async fn delete(&self, version: u32) -> Result<Left, FaultError> {
        let found = self.reader.found;
        let parts = parts(self.session, self.step, &found.name, found.is_indexed, version).await?;
        let total = self.marker.rows.cast_unsigned();
        let mut done = self.marker.undone.cast_unsigned();
        let mut left = Left::default();
        self.session.batch(self.what(), BEGIN).await?;
        self.step.helper.fence.take_for_undo(self.session).await?;
        let mut keeps_its_place = true;
        for part in parts {
            let deleted = self.delete_part(&part).await?;
            crash_point("pg.insert.undo.before_commit");
            left += self.read_and_commit(&part, deleted).await?;
            crash_point("pg.insert.undo.after_commit");
            keeps_its_place &= part.is_by_key;
            done += deleted;
            self.cx.progress.report("rows", done, total);
        }
        // Rows that are found by page may have moved to a page that was read before.
        if keeps_its_place { Ok(left) } else { self.reader.whole().await }
    }

    fn what(&self) -> String {
        format!("delete our rows of `{}`", self.reader.found.label)
    }

    async fn delete_part(&self, part: &Part) -> Result<u64, FaultError> {
        let (session, children) = (self.session, self.reader.children);
        let ours = format!("{} AND xmin = {}", part.condition, self.marker.xmin());
        if !children.is_empty() {
            // Locked rows get no new children; those that came before are seen by the next statement, which looks anew.
            let lock = format!(
                "SELECT count(*) FROM (SELECT FROM {} t WHERE {ours} FOR UPDATE) AS locked; {}",
                part.table,
                children.settings()
            );
            session.batch(self.what(), &lock).await?;
        }
        let statement = format!("DELETE FROM {} t WHERE {ours}{}", part.table, children.none());
        let deleted = session.affected(self.what(), &statement).await?;
        if !children.is_empty() {
            session.batch(self.what(), "SET CONSTRAINTS ALL IMMEDIATE").await?;
        }
        Ok(deleted)
    }

    /// Reads the part back, counts what was deleted, commits, and begins the next transaction: all in a single message,
    /// because many small parts with many messages would take longer than one large one.
    async fn read_and_commit(&self, part: &Part, deleted: u64) -> Result<Left, FaultError> {
        let fence = &self.step.helper.fence;
        let read = if part.is_by_key {
            self.reader.count(&part.table, &part.condition)
        } else {
            "SELECT 0, 0".to_owned()
        };
        let statements = format!(
            "{read}; UPDATE {} SET undone = undone + {deleted}; COMMIT; {BEGIN}; {}",
            self.step.helper.table("m"),
            fence.attempt()
        );
        let rows = self.session.simple(self.what(), &statements).await?;
        if rows.last().and_then(|row| row.get(0)) != Some("t") {
            fence.take_for_undo(self.session).await?;
        }
        Left::read(rows.first())
    }

    /// Makes the end durable, and says what is left and why.
    async fn finish(&self, left: Left) -> Result<Reverted, FaultError> {
        let session = self.session;
        let held = if left.ours > 0 { self.reader.held_by_children().await? } else { 0 };
        // This commit waits for the disk, and with it everything before.
        session.batch(self.what(), "SET LOCAL synchronous_commit = on").await?;
        self.step.helper.add_undone(session, 0).await?;
        let marker = self.step.helper.read(session).await?;
        session.commit().await?;
        crash_point("pg.insert.undo.verified");
        if left.ours > held {
            let what = format!("{}: {} are still there", self.what(), left.ours - held);
            let hint = "rows were moved meanwhile; it will be tried again";
            return Err(FaultError::Busy(Failure::new(what).hint(hint)));
        }
        let undone = marker.map_or(self.marker.undone, |marker| marker.undone);
        self.reader.report(left, held, undone).await
    }
}
