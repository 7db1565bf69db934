//! A journal in memory that dies at a chosen record.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chaos_core::erased::BoxFuture;
use chaos_core::{Clock, Record, RecordBody};
use chaos_engine::journal::format::encode;
use chaos_engine::journal::reader::parse;
use chaos_engine::journal::{Journal, JournalContents, JournalError};

use crate::clock::FakeClock;
use crate::fuse::Fuse;

/// When a journal dies, seen from one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of the record is there.
    Before,
    /// Half of its line is there.
    Torn,
    /// The record is durable, but whoever wrote it never learns that.
    After,
}

/// Keeps the bytes that would be on the disk, and dies where it is told to.
pub struct CrashingJournal {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    fuse: Fuse,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    records: u64,
    dies: Option<(u64, Moment)>,
}

impl Default for CrashingJournal {
    fn default() -> Self {
        Self { state: Mutex::default(), clock: Arc::new(FakeClock::default()), fuse: Fuse::default() }
    }
}

impl CrashingJournal {
    /// Dies at the record of this number, from 1.
    pub fn dying_at(record: u64, moment: Moment) -> Self {
        let journal = Self::default();
        journal.state().dies = Some((record, moment));
        journal
    }

    /// Returns how many whole records were written.
    pub fn records(&self) -> u64 {
        self.state().records
    }

    /// Returns when the journal has died.
    pub async fn died(&self) {
        self.fuse.burnt().await;
    }

    /// Returns what a recovery would read.
    pub fn contents(&self) -> JournalContents {
        parse(&self.state().bytes)
    }

    /// Writes as much of the record as is written before the death, and returns whether we live on.
    fn write(&self, body: RecordBody) -> bool {
        let mut state = self.state();
        let record = state.records + 1;
        let line = encode(record, &Record { at: self.clock.now(), body }).expect("a record is JSON");
        let dies = state.dies.filter(|(dies_at, _)| *dies_at == record).map(|(_, moment)| moment);
        let written = match dies {
            Some(Moment::Before) => 0,
            Some(Moment::Torn) => line.len() / 2,
            Some(Moment::After) | None => line.len(),
        };
        state.bytes.extend(&line[..written]);
        state.records += u64::from(written == line.len());
        dies.is_none()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for CrashingJournal {
    fn append(&self, body: RecordBody) -> BoxFuture<'_, Result<(), JournalError>> {
        let lives = self.write(body);
        Box::pin(async move {
            if !lives {
                self.fuse.burn().await;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use chaos_core::StepId;

    use super::*;

    async fn written(moment: Moment) -> (usize, u64) {
        let journal = CrashingJournal::dying_at(2, moment);
        let appends = async {
            for step in 1..=3 {
                journal.append(RecordBody::Armed { step: StepId(step) }).await.unwrap();
            }
        };
        tokio::select! {
            () = appends => panic!("it did not die"),
            () = journal.died() => {}
        }
        let contents = journal.contents();
        assert!(contents.is_intact());
        (contents.records.len(), contents.torn_bytes)
    }

    #[tokio::test]
    async fn what_is_on_the_disk_depends_on_the_moment_of_death() {
        assert_eq!(written(Moment::Before).await, (1, 0));
        assert_eq!(written(Moment::After).await, (2, 0));
        let (records, torn) = written(Moment::Torn).await;
        assert!(records == 1 && torn > 10, "{records} records, {torn} torn bytes");
    }
}
