//! Makes the lines of the COPY, on a thread of their own.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Step;
use super::key::{Key, uuid};
use super::parents::Parents;
use crate::generate::{KeyPlan, Needs, Obstacle, RowPlan};
use crate::schema::Table;

/// How much is sent at once: enough to keep the server busy, small against any memory limit.
const CHUNK_BYTES: usize = 128 * 1024;
/// How many chunks may wait for the server.
const CHUNKS_AHEAD: usize = 4;
/// Room kept at the end of a chunk for the line that fills it; a longer line makes the chunk grow.
const LINE_BYTES: usize = 4 * 1024;

/// Lines that are ready to be sent.
pub(super) struct Chunk {
    /// The lines.
    pub(super) bytes: Bytes,
    /// How many rows there are up to the end of this chunk.
    pub(super) rows_done: u64,
}

/// What makes the rows of a step.
pub(super) struct Rows {
    plan: RowPlan,
    /// The column of the UUIDs that we count ourselves, and their prefix.
    uuids: Option<(String, u64)>,
    rows: u64,
}

impl Rows {
    /// Decides how the rows of `step` are made.
    pub(super) fn plan(table: &Table, step: &Step, parents: &Parents) -> Result<Self, Vec<Obstacle>> {
        let keys = KeyPlan {
            tag: step.tag.clone(),
            rows: step.rows,
            first_numbers: step.first_numbers.iter().map(|(name, first)| (name.clone(), *first)).collect(),
        };
        let mut generated = generated_part(table, &step.key);
        generated.checks.extend(step.partition.clone());
        let plan = RowPlan::new(&generated, &keys, parents, step.seed)?;
        let uuids = match &step.key {
            Key::Uuids { column, prefix, .. } => Some((column.clone(), *prefix)),
            Key::Numbers { .. } | Key::Tag { .. } | Key::Transaction => None,
        };
        Ok(Self { plan, uuids, rows: step.rows })
    }

    /// Returns the columns that are written, in the order of the values.
    pub(super) fn columns(&self) -> Vec<&str> {
        self.uuids.iter().map(|(column, _)| column.as_str()).chain(self.plan.columns()).collect()
    }

    fn write(&self, row: u64, out: &mut Vec<u8>) {
        if let Some((_, prefix)) = &self.uuids {
            out.extend_from_slice(uuid(*prefix, row).as_bytes());
            out.push(b'\t');
        }
        self.plan.write_copy_text(row, out);
    }

    /// Starts to make the lines. The thread ends when all are made, or when nobody takes them any more.
    pub(super) fn start(self) -> (mpsc::Receiver<Chunk>, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let thread = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::with_capacity(CHUNK_BYTES + LINE_BYTES);
            for row in 0..self.rows {
                self.write(row, &mut bytes);
                if bytes.len() >= CHUNK_BYTES || row + 1 == self.rows {
                    let full = std::mem::replace(&mut bytes, Vec::with_capacity(CHUNK_BYTES + LINE_BYTES));
                    if sender.blocking_send(Chunk { bytes: full.into(), rows_done: row + 1 }).is_err() {
                        return;
                    }
                }
            }
        });
        (receiver, thread)
    }
}

/// Returns the table as the generator shall see it: without the UUIDs that we count ourselves.
pub(super) fn generated_part(table: &Table, key: &Key) -> Table {
    let mut part = table.clone();
    if let Key::Uuids { column, .. } = key {
        part.columns.retain(|other| other.name != *column);
        // A key with a UUID of ours in it is unique through that UUID.
        if part.primary_key.contains(column) {
            part.primary_key.clear();
        }
        part.unique.retain(|key| !key.contains(column));
    }
    part
}

/// Returns what must be looked up to make rows of this table.
pub(super) fn needs(table: &Table, key: &Key) -> Result<Needs, Vec<Obstacle>> {
    Needs::of(&generated_part(table, key))
}
