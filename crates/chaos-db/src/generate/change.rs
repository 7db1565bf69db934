//! Changes single values the way an application would: another value of the same storage class and of the same kind.

use super::Cell;
use super::calendar::{DAY_SECONDS, DAYS, FIRST_DAY, parse_day, push_date, push_moment};
use super::mix::{at, below};
use super::value::Value;
use crate::schema::ColumnKind;

/// New text is not longer than this: more tells nothing more.
const TEXT_MAX: usize = 32;

/// Decides, row after row, which rows of a table are taken, so that each has the same chance and exactly `wanted` of
/// `total` are taken, in one pass and without keeping anything.
#[derive(Debug, Clone)]
pub struct Sample {
    seed: u64,
    index: u64,
    total: u64,
    wanted: u64,
}

impl Sample {
    /// Takes `wanted` of `total` rows, or all where there are fewer.
    pub fn new(seed: u64, total: u64, wanted: u64) -> Self {
        Self { seed, index: 0, total, wanted: wanted.min(total) }
    }

    /// Returns how many rows are still to be taken.
    pub fn wanted(&self) -> u64 {
        self.wanted
    }

    /// Returns whether the next row is taken.
    pub fn take(&mut self) -> bool {
        let left = self.total.saturating_sub(self.index);
        let taken = self.wanted > 0 && below(at(self.seed, self.index), left.max(1)) < self.wanted;
        self.index += 1;
        self.wanted -= u64::from(taken);
        taken
    }
}

/// Returns 64 random bits for place `index` of the stream `seed`.
pub fn random(seed: u64, index: u64) -> u64 {
    at(at(seed, 0), index)
}

/// Returns another value for a column of this kind. `bits` are random; the same bits and value give the same result.
///
/// The storage class stays, so that an application that reads the column is not surprised; NULL becomes a value. The
/// result always differs from `old`.
pub fn changed(old: &Cell, kind: &ColumnKind, bits: u64) -> Cell {
    let few = 1 + below(bits, 8).cast_signed();
    match old {
        Cell::Null => first_value(kind, bits),
        Cell::Int(number) if *kind == ColumnKind::Bool => Cell::Int(i64::from(*number == 0)),
        // Only low bits differ, so the number stays near and never leaves its type.
        Cell::Int(number) => Cell::Int(number ^ few),
        Cell::Real(number) if number.is_finite() && number.abs() > 1e-300 => {
            Cell::Real(number * (few + 4) as f64 / 16.0)
        }
        Cell::Real(_) => Cell::Real(few as f64),
        Cell::Text(text) => Cell::Text(changed_text(text, kind, bits)),
        Cell::Blob(_) => Value::Bytes { count: 16 }.cell(bits, 0),
    }
}

fn first_value(kind: &ColumnKind, bits: u64) -> Cell {
    match kind {
        ColumnKind::Bool => Cell::Int(1),
        ColumnKind::Int(_) => Cell::Int(1 + below(bits, 1_000).cast_signed()),
        ColumnKind::Numeric { .. } | ColumnKind::Float(_) => Cell::Real(below(bits, 100_000) as f64 / 100.0),
        ColumnKind::Bytes => Value::Bytes { count: 16 }.cell(bits, 0),
        _ => Cell::Text(changed_text("", kind, bits)),
    }
}

fn changed_text(old: &str, kind: &ColumnKind, bits: u64) -> String {
    let mut out = Vec::new();
    match kind {
        ColumnKind::Uuid => Value::Uuid.write(bits, 0, &mut out),
        ColumnKind::Json { .. } => Value::Json.write(bits, 0, &mut out),
        ColumnKind::Date => push_date(&mut out, FIRST_DAY + below(bits, DAYS.unsigned_abs()).cast_signed()),
        ColumnKind::Timestamp { .. } => {
            let second = below(bits, (DAYS * DAY_SECONDS).unsigned_abs()).cast_signed();
            push_moment(&mut out, (FIRST_DAY * DAY_SECONDS + second) * 1_000_000, false);
        }
        // A date kept as text stays a date.
        ColumnKind::Text { .. } | ColumnKind::Any if old.len() == 10 && parse_day(old).is_some() => {
            push_date(&mut out, FIRST_DAY + below(bits, DAYS.unsigned_abs()).cast_signed());
        }
        kind => push_word(&mut out, kind, bits),
    }
    let new = String::from_utf8_lossy(&out).into_owned();
    if new == old { changed_text(&format!("{old} "), kind, at(bits, 1)) } else { new }
}

/// Appends a word that no column takes for a number: digits behind a letter.
fn push_word(out: &mut Vec<u8>, kind: &ColumnKind, bits: u64) {
    let max = match kind {
        ColumnKind::Text { max: Some(max), .. } => (*max as usize).min(TEXT_MAX),
        _ => TEXT_MAX,
    };
    out.push(b'x');
    super::numbers::push_hex(out, bits, 16);
    super::numbers::push_hex(out, at(bits, 1), 15);
    // One letter cannot differ from itself; a column of one character gets one of sixteen.
    if max <= 1 {
        out.truncate(0);
        out.push(b'g' + (bits % 16) as u8);
    }
    out.truncate(max.max(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_takes_exactly_what_is_wanted_and_each_row_as_often() {
        let mut hits = [0_u32; 20];
        for seed in 0..2_000 {
            let mut sample = Sample::new(seed, 20, 5);
            let taken: Vec<usize> = (0..20).filter(|_| sample.take()).collect();
            assert_eq!((taken.len(), sample.wanted()), (5, 0));
            taken.into_iter().for_each(|place| hits[place] += 1);
        }
        assert!(hits.iter().all(|hits| (400..600).contains(hits)), "{hits:?}");
        let mut all = Sample::new(1, 3, 100);
        assert!((0..3).all(|_| all.take()));
    }

    #[test]
    fn a_changed_value_differs_and_keeps_its_class() {
        let text = |max| ColumnKind::Text { max, padded: false };
        for (old, kind) in [
            (Cell::Int(0), ColumnKind::Bool),
            (Cell::Int(1), ColumnKind::Bool),
            (Cell::Int(i64::MAX), ColumnKind::Int(64)),
            (Cell::Real(0.0), ColumnKind::Float(64)),
            (Cell::Real(12.5), ColumnKind::Float(64)),
            (Cell::Real(f64::INFINITY), ColumnKind::Float(64)),
            (Cell::Text("a".to_owned()), text(Some(1))),
            (Cell::Text("2024-01-01".to_owned()), text(None)),
            (Cell::Text("2024-01-01".to_owned()), ColumnKind::Date),
            (Cell::Blob(vec![1]), ColumnKind::Bytes),
            (Cell::Text("{}".to_owned()), ColumnKind::Json { binary: false }),
        ] {
            for bits in (0..200).map(|index| at(9, index)) {
                let new = changed(&old, &kind, bits);
                assert_ne!(new, old, "{kind:?}");
                assert_eq!(std::mem::discriminant(&new), std::mem::discriminant(&old), "{kind:?}");
                if let (Cell::Text(text), ColumnKind::Text { max: Some(max), .. }) = (&new, &kind) {
                    assert!(text.len() <= *max as usize);
                }
            }
        }
        assert!(matches!(changed(&Cell::Null, &ColumnKind::Int(64), 5), Cell::Int(_)));
        assert!(matches!(changed(&Cell::Null, &text(None), 5), Cell::Text(_)));
    }
}
