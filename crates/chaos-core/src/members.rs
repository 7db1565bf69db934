//! The systems that one configured target stands for: one database, or every host of an inventory.

use std::path::PathBuf;

use serde_json::Value;

/// What a connector is given to find the members of one configured target.
#[derive(Debug, Clone, PartialEq)]
pub struct MembersRequest {
    /// The `target_config` with its references resolved: may hold secrets.
    pub config: Value,
    /// The same as written, references in place. Where nothing was written, what [`config`](Self::config) is.
    pub as_written: Value,
    /// The directory of the file it stands in: relative paths in it begin there. `None`: the working directory.
    pub directory: Option<PathBuf>,
    /// The seed of every choice among the members.
    pub seed: u64,
    /// A recovery asks for the member of this name, and for no other: no choice is made among the members then.
    pub only: Option<String>,
}

/// The systems that one configured target stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Members {
    /// The members, in the order in which people read them. Their names differ.
    pub list: Vec<Member>,
    /// How many of them may be worked on at once; `None`: all.
    pub at_once: Option<usize>,
    /// Whether a member that does not answer is left out. Otherwise nothing runs.
    pub allow_unreachable: bool,
    /// Whether two members may turn out to be the same system.
    pub allow_same: bool,
    /// What people should know of the choice: `3 of 10 hosts, chosen with seed 7`.
    pub notes: Vec<String>,
}

/// One system of a configured target.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name among the members, as people wrote it. Empty where the configuration stands for one system only.
    pub name: String,
    /// The configuration for exactly this one, references resolved: may hold secrets.
    pub config: Value,
    /// The configuration for exactly this one, references as written. It goes through
    /// [`Connector::redact`](crate::Connector::redact) into the journal, and a recovery that finds no file resolves it again.
    pub as_written: Value,
}

impl Members {
    /// One system: the configuration as it is.
    pub fn single(request: MembersRequest) -> Self {
        let MembersRequest { config, as_written, .. } = request;
        Self::new(vec![Member { name: String::new(), config, as_written }])
    }

    /// These systems, all at once, each of which must answer and be another one.
    pub fn new(list: Vec<Member>) -> Self {
        Self { list, at_once: None, allow_unreachable: false, allow_same: false, notes: Vec::new() }
    }
}
