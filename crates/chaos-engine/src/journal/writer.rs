//! Writes a journal. Every record is durable before the call returns.
//!
//! The file has a thread of its own: a commit never blocks the runtime, and a cancelled future never cancels a commit.
//! Records that wait while one commit goes on share the next: many steps at once cost few flushes of the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;

use chaos_core::crash::crash_point;
use chaos_core::erased::BoxFuture;
use chaos_core::{Clock, Record, RecordBody};
use tokio::sync::oneshot;

use super::format::encode;
use super::reader::{JournalContents, ends_run, read};
use super::{Journal, JournalError, birth, file, space};

/// How many records share one commit at most. What one commit holds is what a torn one can lose, unacknowledged.
const BATCH_MAX: usize = 256;

/// A journal in a file.
pub struct FileJournal {
    requests: mpsc::Sender<Request>,
    path: PathBuf,
}

enum Request {
    Append(Append),
    Close { done: oneshot::Sender<()> },
}

struct Append {
    body: Box<RecordBody>,
    done: oneshot::Sender<Result<(), JournalError>>,
}

impl FileJournal {
    /// Creates the journal of a new run, makes its name durable, and keeps `reserve` bytes of disk for its later records.
    ///
    /// # Errors
    /// When a file is there already, or cannot be made durable or reserved.
    pub fn create(path: &Path, reserve: u64, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Write { path: path.to_owned(), source: Arc::new(source) };
        let file = birth::create(path, reserve).map_err(failed)?;
        let tail = Tail { file, path: path.to_owned(), len: 0, next_seq: 1, is_over: false };
        Ok(Self::start(tail, clock))
    }

    /// Opens the journal of a dead run to go on with it, in place of its torn tail. The caller holds the lock of the run.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn reopen(path: &Path, clock: Arc<dyn Clock>) -> Result<(Self, JournalContents), JournalError> {
        let failed = |source| JournalError::Write { path: path.to_owned(), source: Arc::new(source) };
        let contents = read(path).map_err(failed)?;
        let file = file::open(path, OpenOptions::new().write(true)).map_err(failed)?;
        let is_over = contents.records.last().is_some_and(|record| ends_run(&record.body));
        // A torn tail is written over and not cut: cutting would give the reserved space behind it back.
        let tail = Tail {
            file,
            path: path.to_owned(),
            len: contents.intact_len,
            next_seq: contents.next_seq,
            is_over,
        };
        Ok((Self::start(tail, clock), contents))
    }

    /// Returns where the journal is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives reserved space back and closes the file. Returns when nothing of it can touch the file any more, so that the
    /// lock of the run can be given up.
    pub async fn close(self) {
        let (done, answer) = oneshot::channel();
        if self.requests.send(Request::Close { done }).is_ok() {
            // An error means that the thread has ended, which is what we wait for.
            let _ = answer.await;
        }
    }

    fn start(mut tail: Tail, clock: Arc<dyn Clock>) -> Self {
        let (requests, inbox) = mpsc::channel::<Request>();
        let path = tail.path.clone();
        std::thread::spawn(move || {
            // Ends when the journal is closed or dropped, after every request before that is answered.
            while let Ok(first) = inbox.recv() {
                let (batch, close) = batch(first, &inbox);
                if !batch.is_empty() {
                    tail.commit_all(batch, &*clock);
                }
                if let Some(done) = close {
                    tail.trim();
                    // Nobody needs to wait for it.
                    let _ = done.send(());
                    return;
                }
            }
        });
        Self { requests, path }
    }
}

impl Journal for FileJournal {
    fn append(&self, body: RecordBody) -> BoxFuture<'_, Result<(), JournalError>> {
        let (done, answer) = oneshot::channel();
        let sent = self.requests.send(Request::Append(Append { body: Box::new(body), done }));
        Box::pin(async move {
            sent.map_err(|_| JournalError::Closed)?;
            answer.await.map_err(|_| JournalError::Closed)?
        })
    }
}

/// Takes what waits already; a close ends it.
fn batch(first: Request, inbox: &mpsc::Receiver<Request>) -> (Vec<Append>, Option<oneshot::Sender<()>>) {
    let mut appends = Vec::new();
    for request in std::iter::once(first).chain(inbox.try_iter()) {
        match request {
            Request::Append(append) => appends.push(append),
            Request::Close { done } => return (appends, Some(done)),
        }
        if appends.len() == BATCH_MAX {
            break;
        }
    }
    (appends, None)
}

/// The end of the file, where records are added.
struct Tail {
    file: File,
    path: PathBuf,
    len: u64,
    next_seq: u64,
    /// Whether the last record says that the run ended and left nothing.
    is_over: bool,
}

impl Tail {
    /// Makes some records durable together, and answers whoever waits for them.
    fn commit_all(&mut self, batch: Vec<Append>, clock: &dyn Clock) {
        let (bodies, waiting): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|append| (append.body, append.done)).unzip();
        let kinds: Vec<&str> = bodies.iter().map(|body| kind_of(body)).collect();
        let records = bodies.into_iter().map(|body| Record { at: clock.now(), body: *body });
        let result = self.commit(&records.collect::<Vec<_>>(), &kinds);
        for done in waiting {
            // The asker may have been cancelled. The record is durable all the same.
            let _ = done.send(result.clone());
        }
    }

    fn commit(&mut self, records: &[Record], kinds: &[&str]) -> Result<(), JournalError> {
        let pass =
            |moment: &str| kinds.iter().for_each(|kind| crash_point(&format!("journal.{kind}.{moment}")));
        pass("before");
        let mut text = Vec::new();
        for (seq, record) in (self.next_seq..).zip(records) {
            text.extend(encode(seq, record).map_err(|error| self.failed(error.into()))?);
        }
        // After a failed write the next record is written over the half line. What sticks out behind it has no line feed
        // and reads as a torn tail, or is one damaged line that makes a recovery careful.
        self.write(&text, || pass("torn")).map_err(|source| self.failed(source))?;
        self.len += text.len() as u64;
        self.next_seq += records.len() as u64;
        self.is_over = records.last().is_some_and(|record| ends_run(&record.body));
        pass("after");
        if !self.is_over {
            space::keep_more(&self.file, &self.path, self.len);
        }
        Ok(())
    }

    fn write(&mut self, text: &[u8], half_way: impl FnOnce()) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.len))?;
        let (head, rest) = text.split_at(text.len() / 2);
        self.file.write_all(head)?;
        half_way();
        self.file.write_all(rest)?;
        self.file.sync_data()
    }

    /// Gives reserved blocks back at the end. As long as the run is not over they stay: that they are there tells a journal that
    /// ends early because its run died from one that was cut.
    fn trim(&self) {
        if !self.is_over {
            return;
        }
        if let Err(error) = self.file.set_len(self.len) {
            tracing::warn!(%error, path = %self.path.display(), "Reserved space could not be given back.");
        }
    }

    fn failed(&self, source: io::Error) -> JournalError {
        JournalError::Write { path: self.path.clone(), source: Arc::new(source) }
    }
}

fn kind_of(body: &RecordBody) -> &'static str {
    match body {
        RecordBody::Opened { .. } => "opened",
        RecordBody::Planned { .. } => "planned",
        RecordBody::GuardianStarted { .. } => "guardian_started",
        RecordBody::ExperimentStarted { .. } => "experiment_started",
        RecordBody::Intended { .. } => "intended",
        RecordBody::Armed { .. } => "armed",
        RecordBody::Injected { .. } => "injected",
        RecordBody::Failed { .. } => "failed",
        RecordBody::Measured { .. } => "measured",
        RecordBody::HoldStarted { .. } => "hold_started",
        RecordBody::RollbackStarted { .. } => "rollback_started",
        RecordBody::Reverted { .. } => "reverted",
        RecordBody::RevertFailed { .. } => "revert_failed",
        RecordBody::Stuck { .. } => "stuck",
        RecordBody::Disarmed { .. } => "disarmed",
        RecordBody::Accepted { .. } => "accepted",
        RecordBody::DamageAccepted => "damage_accepted",
        RecordBody::ExperimentEnded { .. } => "experiment_ended",
        RecordBody::Closed { .. } => "closed",
    }
}

#[cfg(test)]
mod tests {
    use chaos_core::{ExitCode, StepId, SystemClock};

    use super::*;

    fn armed(step: u32) -> RecordBody {
        RecordBody::Armed { step: StepId(step) }
    }

    #[tokio::test]
    async fn a_journal_goes_on_in_place_of_its_torn_tail() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.journal");
        let journal = FileJournal::create(&path, 64 * 1024, Arc::new(SystemClock)).unwrap();
        journal.append(armed(1)).await.unwrap();
        drop(journal);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"seq\":2,\"le").unwrap();

        let (journal, contents) = FileJournal::reopen(&path, Arc::new(SystemClock)).unwrap();
        assert_eq!(contents.torn_bytes, 12);
        journal.append(armed(2)).await.unwrap();
        let contents = read(&path).unwrap();
        let bodies: Vec<_> = contents.records.into_iter().map(|record| record.body).collect();
        assert_eq!(bodies, [armed(1), armed(2)]);
    }

    #[tokio::test]
    async fn records_that_wait_together_are_all_kept_in_order_and_each_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.journal");
        let journal = FileJournal::create(&path, 1 << 20, Arc::new(SystemClock)).unwrap();
        let steps = 1..=3 * BATCH_MAX as u32;
        // Sent before anybody waits, so that they share commits.
        let sent: Vec<_> = steps.clone().map(|step| journal.append(armed(step))).collect();
        for answer in futures::future::join_all(sent).await {
            answer.unwrap();
        }
        let contents = read(&path).unwrap();
        assert!(contents.is_intact(), "{:?}", contents.damage);
        let kept: Vec<_> = contents.records.into_iter().map(|record| record.body).collect();
        assert_eq!(kept, steps.map(armed).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_run_that_died_before_its_first_record_left_no_journal_that_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.journal");
        FileJournal::create(&path, 128 * 1024, Arc::new(SystemClock)).unwrap().close().await;
        assert!(read(&path).unwrap().is_intact());
        // Whoever recovers it finds nothing to do, and keeps the proof.
        FileJournal::reopen(&path, Arc::new(SystemClock)).unwrap().0.close().await;
        assert!(read(&path).unwrap().is_intact());
        File::options().write(true).truncate(true).open(&path).unwrap();
        assert!(!read(&path).unwrap().is_intact());
    }

    #[tokio::test]
    async fn the_space_of_a_journal_is_kept_until_nothing_is_left_and_grows_with_it() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.journal");
        let closed = |exit| RecordBody::Closed { exit, by: chaos_core::record::Undoer::Recovery };
        let journal = FileJournal::create(&path, 128 * 1024, Arc::new(SystemClock)).unwrap();
        let error = "x".repeat(4096);
        for attempt in 1..=40 {
            let failed = RecordBody::RevertFailed { step: StepId(1), attempt, error: error.clone() };
            journal.append(failed).await.unwrap();
        }
        journal.append(closed(ExitCode::LeftBehind)).await.unwrap();
        journal.close().await;
        assert!(read(&path).unwrap().is_intact(), "what is left is not forgotten with the space");
        let (journal, _) = FileJournal::reopen(&path, Arc::new(SystemClock)).unwrap();
        journal.append(closed(ExitCode::Done)).await.unwrap();
        journal.close().await;
        assert!(read(&path).unwrap().is_intact());
        let about = std::fs::metadata(&path).unwrap();
        assert!(about.blocks() * 512 < about.len() + 64 * 1024, "the space is given back");
    }

    #[tokio::test]
    async fn a_journal_that_was_cut_anywhere_before_its_end_is_damaged_and_stays_so_when_it_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.journal");
        let journal = FileJournal::create(&path, 128 * 1024, Arc::new(SystemClock)).unwrap();
        journal.append(armed(1)).await.unwrap();
        let len = std::fs::metadata(&path).unwrap().len();
        journal.append(armed(2)).await.unwrap();
        drop(journal);
        File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
        let (journal, contents) = FileJournal::reopen(&path, Arc::new(SystemClock)).unwrap();
        assert!(!contents.is_intact());
        journal.append(armed(3)).await.unwrap();
        assert!(!read(&path).unwrap().is_intact());
    }

    #[tokio::test]
    async fn a_journal_is_private_and_never_overwrites_another() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.journal");
        let _journal = FileJournal::create(&path, 0x1000, Arc::new(SystemClock)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(FileJournal::create(&path, 0x1000, Arc::new(SystemClock)).is_err());
    }
}
