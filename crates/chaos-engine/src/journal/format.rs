//! How one record becomes one line, and a line becomes a record again.
//!
//! A line is `{"seq":7,"len":123,"crc":"9f1c2d3e","rec":{…}}`: `seq` counts from 1, `len` is the length of the text of
//! `rec` in bytes, `crc` is the CRC-32 (ISO-HDLC) of `seq`, a colon and that text. The text is covered byte for byte.

use chaos_core::Record;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The version of the format that is written. Older ones can be read.
pub const VERSION: u32 = 2;

/// Why a line is not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line is not the envelope we write.
    #[error("the line is not a journal line: {0}")]
    Envelope(String),
    /// Length or checksum do not fit the text.
    #[error("length or checksum do not fit")]
    Checksum,
    /// The text is intact, but means nothing to this version.
    #[error("the record is of a kind this version does not know: {0}")]
    Unknown(String),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    seq: u64,
    len: usize,
    crc: &'a str,
    #[serde(borrow)]
    rec: &'a RawValue,
}

/// Makes the line of a record, with its line feed.
///
/// # Errors
/// When the record cannot be written as JSON.
pub fn encode(seq: u64, record: &Record) -> Result<Vec<u8>, serde_json::Error> {
    let text = serde_json::to_string(record)?;
    let crc = checksum(seq, &text);
    Ok(format!("{{\"seq\":{seq},\"len\":{},\"crc\":\"{crc:08x}\",\"rec\":{text}}}\n", text.len())
        .into_bytes())
}

/// Reads one line, without its line feed.
///
/// # Errors
/// When it is not an intact record of a known kind.
pub fn decode(line: &[u8]) -> Result<(u64, Record), LineError> {
    let envelope: Envelope<'_> =
        serde_json::from_slice(line).map_err(|error| LineError::Envelope(error.to_string()))?;
    let text = envelope.rec.get();
    let crc = u32::from_str_radix(envelope.crc, 16).map_err(|_| LineError::Checksum)?;
    if text.len() != envelope.len || crc != checksum(envelope.seq, text) {
        return Err(LineError::Checksum);
    }
    let record = serde_json::from_str(text).map_err(|error| LineError::Unknown(error.to_string()))?;
    Ok((envelope.seq, record))
}

fn checksum(seq: u64, text: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(format!("{seq}:").as_bytes());
    hasher.update(text.as_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use chaos_core::{RecordBody, StepId};

    use super::*;

    fn line() -> Vec<u8> {
        let body = RecordBody::Armed { step: StepId(3) };
        encode(7, &Record { at: jiff::Timestamp::UNIX_EPOCH, body }).unwrap()
    }

    #[test]
    fn a_record_survives_its_line() {
        let line = line();
        let (seq, record) = decode(&line[..line.len() - 1]).unwrap();
        assert_eq!((seq, record.body), (7, RecordBody::Armed { step: StepId(3) }));
    }

    #[test]
    fn every_single_changed_byte_is_noticed() {
        let line = line();
        let line = &line[..line.len() - 1];
        for place in 0..line.len() {
            let mut damaged = line.to_vec();
            damaged[place] ^= 0x01;
            assert!(decode(&damaged).is_err(), "byte {place} of {}", String::from_utf8_lossy(&damaged));
        }
    }
}
