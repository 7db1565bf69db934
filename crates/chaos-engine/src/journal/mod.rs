//! The undo journal: one append-only file a run, the only truth about it.
//!
//! [`format`] is how a record becomes a line, [`writer`] makes it durable, [`reader`] copes with what a dead process left,
//! [`lock`] says who may write, [`birth`] makes a new one. The format is documented for other programs in `docs/journal.md`.

pub(crate) mod birth;
mod file;
pub mod format;
pub mod lock;
pub mod reader;
pub(crate) mod space;
pub mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use chaos_core::RecordBody;
use chaos_core::erased::BoxFuture;

pub use lock::{LockError, Owner, RunLock};
pub use reader::{Damage, JournalContents, read};
pub use writer::FileJournal;

/// Where records go. When `append` returns `Ok`, the record survives a crash of process and machine.
pub trait Journal: Send + Sync + 'static {
    /// Adds one record and makes it durable.
    fn append(&self, body: RecordBody) -> BoxFuture<'_, Result<(), JournalError>>;
}

/// Why a record is not durable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be written.
    #[error("write the journal `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// The journal is closed.
    #[error("write a journal that is closed")]
    Closed,
}
