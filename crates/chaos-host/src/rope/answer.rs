//! What an undo on the machine wrote down.

use crate::host::{Output, lines};

/// What an undo wrote down. The undo of a fault tells:
///
/// - `restored=N`: how many things of ours it took back; 0 or absent when nothing of ours was there;
/// - `conflict=WHAT|FOUND`: something that somebody else changed and that it left alone. `WHAT` is a number that the fault
///   knows, or a name that cannot hold a line break or `|`;
/// - `note=TEXT`: something that cannot come back and is no error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Whether it had been done before we asked.
    pub already: bool,
    /// Who did it: `deadline`, `boot`, `chaos`.
    pub by: String,
    /// Whether a reboot of the machine took the effect.
    pub rebooted: bool,
    /// Whether the rope was not there any more and had to be made again.
    pub was_gone: bool,
    /// How many things were taken back, by all attempts together.
    pub restored: u64,
    /// How many of them the first of several attempts took back: the one that `by` made. The others were ours.
    pub first: Option<u64>,
    /// What somebody else changed: what, and how it was found.
    pub conflicts: Vec<(String, String)>,
    /// What cannot come back.
    pub notes: Vec<String>,
}

impl Answer {
    pub(super) fn read(output: &Output) -> Self {
        // A name that is no UTF-8 must not take the whole answer with it.
        let all = |key| lines(&output.stdout, key).map(|value| String::from_utf8_lossy(value).into_owned());
        let first = |key| all(key).next().unwrap_or_default();
        let conflicts = all("conflict").map(|line| {
            let (what, found) = line.split_once('|').unwrap_or((&line, "changed by somebody else"));
            (what.to_owned(), found.to_owned())
        });
        Self {
            already: first("already") == "1",
            by: first("by"),
            rebooted: first("rebooted") == "1",
            was_gone: first("written") == "1",
            restored: all("restored").filter_map(|n| n.parse::<u64>().ok()).sum(),
            first: first("first").parse().ok(),
            conflicts: conflicts.collect(),
            notes: all("note").fold(Vec::new(), |mut notes, note| {
                // Each of several attempts may have told it.
                if !notes.contains(&note) {
                    notes.push(note);
                }
                notes
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_whose_name_is_no_utf8_is_told_with_all_the_others() {
        let stdout =
            b"by=deadline\nrestored=2\nconflict=/srv/\xff|mode 0600\nconflict=3\nrestored=1\n".to_vec();
        let answer = Answer::read(&Output { status: 0, stdout, stderr: String::new() });
        assert_eq!((answer.by.as_str(), answer.restored), ("deadline", 3));
        let conflicts: Vec<_> =
            answer.conflicts.iter().map(|(what, found)| (what.as_str(), found.as_str())).collect();
        assert_eq!(conflicts, [("/srv/\u{fffd}", "mode 0600"), ("3", "changed by somebody else")]);
    }
}
