//! Reads a journal that a dead process may have left behind in any condition.

use std::fs::Metadata;
use std::io::{self, Read};
use std::path::Path;

use chaos_core::{ExitCode, Record, RecordBody};

use super::file::open_to_read;
use super::format::{LineError, decode};
use super::space;

/// The most that is read of a journal, in bytes. A run writes a few kilobytes a step.
const SIZE_MAX: u64 = 256 * 1024 * 1024;

/// What could be read of a journal.
#[derive(Debug, Default)]
pub struct JournalContents {
    /// The intact records in order.
    pub records: Vec<Record>,
    /// Lines that are not intact, or missing.
    pub damage: Vec<Damage>,
    /// How many bytes of a torn last line follow the intact part. They were never acknowledged to anybody.
    pub torn_bytes: u64,
    /// The length of the file without the torn tail.
    pub intact_len: u64,
    /// The number that the next record gets.
    pub next_seq: u64,
}

/// A place where a journal is not intact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

/// Reads the journal at `path`. A damaged line never hides the intact ones around it; a torn tail is left out.
///
/// # Errors
/// When the file cannot be read at all.
pub fn read(path: &Path) -> io::Result<JournalContents> {
    let file = open_to_read(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_MAX {
        let why = format!("more than {SIZE_MAX} bytes are no journal of ours");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    let mut contents = parse(&bytes);
    contents.take_end(path, &metadata);
    Ok(contents)
}

/// Reads a journal from memory; see [`read`].
pub fn parse(bytes: &[u8]) -> JournalContents {
    let mut contents = JournalContents { next_seq: 1, ..JournalContents::default() };
    let mut rest = bytes;
    let mut line_number = 0;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        line_number += 1;
        contents.take_line(line_number, &rest[..end]);
        rest = &rest[end + 1..];
    }
    contents.torn_bytes = rest.len() as u64;
    contents.intact_len = (bytes.len() - rest.len()) as u64;
    contents
}

impl JournalContents {
    /// Returns whether every record ever acknowledged is here.
    pub fn is_intact(&self) -> bool {
        self.damage.is_empty()
    }

    /// Notices that the end of the file was cut off, wherever that was. A run keeps space behind its last record from before the
    /// first one until it is over, and a file that was made shorter has lost that. So has one that was copied, or that stands
    /// where no space can be kept: undoing steps that never acted does nothing, so these may be taken for one that was cut.
    fn take_end(&mut self, path: &Path, file: &Metadata) {
        if space::is_kept(file) || self.records.iter().any(|record| ends_run(&record.body)) {
            return;
        }
        let line = self.records.len() as u64 + 1;
        let path = path.display();
        let why = format!(
            "`{path}` ends too early, or is a copy: no space is kept behind its end, so every planned step counts as begun"
        );
        self.damage.push(Damage { line, why });
    }

    fn take_line(&mut self, line: u64, text: &[u8]) {
        // The writer starts a new line after a failed write, so an empty line is no damage.
        if text.is_empty() {
            return;
        }
        match decode(text) {
            Ok((seq, record)) => {
                if seq != self.next_seq {
                    let why = format!("record {seq} stands where {} is expected", self.next_seq);
                    self.damage.push(Damage { line, why });
                }
                self.next_seq = seq.max(self.next_seq) + 1;
                self.records.push(record);
            }
            Err(error) => {
                let why = match &error {
                    LineError::Envelope(_) | LineError::Checksum => "the line is damaged".to_owned(),
                    LineError::Unknown(_) => error.to_string(),
                };
                self.damage.push(Damage { line, why });
                self.next_seq += 1;
            }
        }
    }
}

/// Returns whether the run is over with this record: it ended, and left nothing.
pub(super) fn ends_run(body: &RecordBody) -> bool {
    matches!(body, RecordBody::Closed { exit, .. } if *exit != ExitCode::LeftBehind)
}

#[cfg(test)]
mod tests {
    use chaos_core::{Record, RecordBody, StepId};

    use super::super::format::encode;
    use super::*;

    fn journal(records: u32) -> Vec<u8> {
        (1..=records)
            .flat_map(|number| {
                let body = RecordBody::Armed { step: StepId(number) };
                encode(u64::from(number), &Record { at: jiff::Timestamp::UNIX_EPOCH, body }).unwrap()
            })
            .collect()
    }

    #[test]
    fn a_tail_torn_at_any_byte_is_cut_and_hides_nothing() {
        let whole = journal(3);
        let two = journal(2).len();
        for cut in two..whole.len() {
            let contents = parse(&whole[..cut]);
            assert_eq!(contents.records.len(), 2, "cut at {cut}");
            assert_eq!(contents.intact_len, two as u64);
            assert_eq!(contents.next_seq, 3);
            assert!(contents.is_intact());
        }
    }

    #[test]
    fn a_damaged_line_does_not_hide_the_intact_ones_around_it() {
        let mut bytes = journal(3);
        let second = journal(1).len() + 10;
        bytes[second] = b'#';
        let contents = parse(&bytes);
        assert_eq!(contents.records.len(), 2);
        assert_eq!(contents.damage, [Damage { line: 2, why: "the line is damaged".into() }]);
        assert_eq!(contents.next_seq, 4);
    }

    #[test]
    fn a_line_that_was_taken_out_is_noticed() {
        let bytes = [journal(1), journal(3)[journal(2).len()..].to_vec()].concat();
        let contents = parse(&bytes);
        assert_eq!(contents.damage, [Damage { line: 2, why: "record 3 stands where 2 is expected".into() }]);
    }
}
