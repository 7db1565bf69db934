//! Names of runs and steps: readable, sortable, and safe inside file, schema and unit names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of one run: `20261121-084512-k3vq`, UTC start time and a random tail.
///
/// Only `[0-9a-z-]`, so that it may be part of a file name, a database schema or a systemd unit without quoting.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// The text is not the name of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a run; one looks like `20261121-084512-k3vq`")]
pub struct NotARunId(String);

impl RunId {
    /// Makes a name from the start time of the run and 20 random bits.
    pub fn new(started: jiff::Timestamp, random: u32) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let tail: String =
            (0..4).map(|place| char::from(ALPHABET[((random >> (5 * place)) & 31) as usize])).collect();
        Self(format!("{}-{tail}", started.strftime("%Y%m%d-%H%M%S")))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name with `_` for `-`, as used in the names of database schemas.
    pub fn underscored(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl FromStr for RunId {
    type Err = NotARunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 20
            && bytes.iter().enumerate().all(|(place, byte)| match place {
                8 | 15 => *byte == b'-',
                0..=14 => byte.is_ascii_digit(),
                _ => byte.is_ascii_digit() || byte.is_ascii_lowercase(),
            });
        if shaped { Ok(Self(text.to_owned())) } else { Err(NotARunId(text.to_owned())) }
    }
}

impl TryFrom<String> for RunId {
    type Error = NotARunId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a step within its run, counted from 1 in plan order over all experiments of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_reads_back_and_is_safe_in_names() {
        let id = RunId::new(jiff::Timestamp::UNIX_EPOCH, 0b11111_00001_00000_11110);
        assert_eq!(id.as_str(), "19700101-000000-y01z");
        assert_eq!(id.as_str().parse::<RunId>(), Ok(id));
    }

    #[test]
    fn text_that_is_no_run_id_is_refused() {
        for text in
            ["", "../../etc/passwd", "20261121-084512-K3VQ", "20261121_084512_k3vq", "20261121-084512-k3vqx"]
        {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
