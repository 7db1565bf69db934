//! Where the values of one column come from, and how one is written.

use super::Cell;
use super::calendar::{DAY_SECONDS, DAYS, FIRST_DAY, push_date, push_moment, push_time};
use super::mix::{at, below};
use super::numbers::{push_base36, push_decimal, push_hex, push_signed, push_unsigned};
use super::pool::Pool;

/// How the values of a column are made. `bits` are 64 random bits of the cell, `row` is the number of the row.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// true, false.
    Bool,
    /// A whole number of `low..low + span`.
    Integer { low: i64, span: u64 },
    /// `first` and on, one by one.
    Sequence { first: i64 },
    /// A decimal of `low..low + span` units, with `scale` digits behind the point.
    Decimal { low: i64, span: u64, scale: u32 },
    /// The same as a floating-point number.
    Float { low: i64, span: u64, scale: u32 },
    /// `first` and on as a floating-point number.
    FloatSequence { first: i64 },
    /// A text of the pool.
    Text(Pool),
    /// A text that no other row has: a stem, the tag, the number of the row, a tail.
    UniqueText { stems: Pool, tag: Vec<u8>, tails: Pool },
    /// One of these, in the storage class of the column.
    Choice { texts: Pool, cells: Vec<Cell> },
    /// A random UUID.
    Uuid,
    /// A day of `low..low + span`.
    Date { low: i64, span: u64 },
    /// A time of day.
    Time { zoned: bool },
    /// A second of `low..low + span`.
    Timestamp { low: i64, span: u64, zoned: bool },
    /// `first` (in microseconds) and on, second by second.
    UniqueTimestamp { first: i64, zoned: bool },
    /// A span of hours and minutes.
    Interval,
    /// A small JSON object.
    Json,
    /// Random bytes.
    Bytes { count: u32 },
    /// A private host address.
    Inet,
    /// A private network.
    Cidr,
    /// A locally administered MAC address.
    MacAddr,
    /// Random bits.
    Bit { count: u32 },
    /// One to three elements.
    Array(Box<Value>),
    /// From a value to a larger one.
    Range { lower: Box<Value>, upper: Box<Value> },
}

const WORDS: [&str; 8] = ["web", "mobile", "store", "partner", "import", "email", "search", "referral"];

impl Value {
    /// Appends the value as text, as the database writes it; nothing is escaped yet.
    pub(super) fn write(&self, bits: u64, row: u64, out: &mut Vec<u8>) {
        match self {
            Self::Bool => out.push(if bits & 1 == 0 { b'f' } else { b't' }),
            Self::Integer { low, span } => push_signed(out, pick(bits, *low, *span)),
            Self::Sequence { first } | Self::FloatSequence { first } => push_signed(out, nth(*first, row)),
            Self::Decimal { low, span, scale } | Self::Float { low, span, scale } => {
                push_decimal(out, pick(bits, *low, *span), *scale);
            }
            Self::Text(pool) | Self::Choice { texts: pool, .. } => {
                out.extend_from_slice(pool.get(below(bits, pool.len())));
            }
            Self::UniqueText { stems, tag, tails } => {
                out.extend_from_slice(stems.get(below(bits, stems.len())));
                out.extend_from_slice(tag);
                push_base36(out, row);
                out.extend_from_slice(tails.get(below(at(bits, 1), tails.len())));
            }
            Self::Date { low, span } => push_date(out, pick(bits, *low, *span)),
            Self::Time { zoned } => push_clock(bits, *zoned, out),
            Self::Timestamp { low, span, zoned } => {
                push_moment(out, pick(bits, *low, *span).saturating_mul(1_000_000), *zoned);
            }
            Self::UniqueTimestamp { first, zoned } => push_moment(out, nth_second(*first, row), *zoned),
            Self::Array(element) => write_array(element, bits, row, out),
            Self::Range { lower, upper } => write_range(lower, upper, bits, row, out),
            Self::Uuid
            | Self::Interval
            | Self::Json
            | Self::Bytes { .. }
            | Self::Inet
            | Self::Cidr
            | Self::MacAddr
            | Self::Bit { .. } => self.write_special(bits, out),
        }
    }

    /// Appends values whose form is all their own.
    fn write_special(&self, bits: u64, out: &mut Vec<u8>) {
        match self {
            Self::Uuid => push_uuid(bits, out),
            Self::Interval => {
                push_unsigned(out, below(bits, 30));
                out.extend_from_slice(b" days ");
                push_time(out, below(at(bits, 1), DAY_SECONDS as u64) as i64);
            }
            Self::Json => push_json(bits, out),
            Self::Bytes { count } => {
                out.extend_from_slice(b"\\x");
                (0..*count).for_each(|place| push_hex(out, at(bits, u64::from(place)), 2));
            }
            Self::Inet => {
                push_network(bits, out);
                push_unsigned(out, 1 + below(at(bits, 1), 254));
            }
            Self::Cidr => {
                push_network(bits, out);
                out.extend_from_slice(b"0/24");
            }
            Self::MacAddr => {
                out.extend_from_slice(b"02");
                (0..5).for_each(|place| {
                    out.push(b':');
                    push_hex(out, bits >> (8 * place), 2);
                });
            }
            Self::Bit { count } => {
                out.extend(
                    (0..*count)
                        .map(|place| b'0' + (at(bits, u64::from(place / 64)) >> (place % 64) & 1) as u8),
                );
            }
            _ => {}
        }
    }

    /// Returns the value in the storage class that SQLite keeps it in.
    pub(super) fn cell(&self, bits: u64, row: u64) -> Cell {
        match self {
            Self::Bool => Cell::Int((bits & 1) as i64),
            Self::Integer { low, span } => Cell::Int(pick(bits, *low, *span)),
            Self::Sequence { first } => Cell::Int(nth(*first, row)),
            Self::FloatSequence { first } => Cell::Real(nth(*first, row) as f64),
            Self::Decimal { low, span, scale } | Self::Float { low, span, scale } => {
                Cell::Real(pick(bits, *low, *span) as f64 / 10_f64.powi(scale.cast_signed()))
            }
            Self::Choice { cells, .. } => cells[below(bits, cells.len() as u64) as usize].clone(),
            Self::Bytes { count } => {
                Cell::Blob((0..*count).map(|place| (at(bits, u64::from(place)) & 255) as u8).collect())
            }
            _ => {
                let mut text = Vec::new();
                self.write(bits, row, &mut text);
                Cell::Text(String::from_utf8_lossy(&text).into_owned())
            }
        }
    }
}

#[inline]
fn pick(bits: u64, low: i64, span: u64) -> i64 {
    low.wrapping_add_unsigned(below(bits, span))
}

#[inline]
fn nth(first: i64, row: u64) -> i64 {
    first.saturating_add_unsigned(row)
}

#[inline]
fn nth_second(first: i64, row: u64) -> i64 {
    first.saturating_add_unsigned(row.saturating_mul(1_000_000))
}

fn push_clock(bits: u64, zoned: bool, out: &mut Vec<u8>) {
    push_time(out, below(bits, DAY_SECONDS as u64) as i64);
    if zoned {
        out.extend_from_slice(b"+00");
    }
}

/// Appends a version 4 UUID. Its first 60 bits are a bijection of `bits` but for four of them.
fn push_uuid(bits: u64, out: &mut Vec<u8>) {
    let tail = at(bits, 1);
    push_hex(out, bits >> 32, 8);
    out.push(b'-');
    push_hex(out, bits >> 16, 4);
    out.extend_from_slice(b"-4");
    push_hex(out, bits, 3);
    out.push(b'-');
    push_hex(out, (tail >> 48) & 0x3fff | 0x8000, 4);
    out.push(b'-');
    push_hex(out, tail, 12);
}

fn push_json(bits: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"source\": \"");
    out.extend_from_slice(WORDS[below(bits, WORDS.len() as u64) as usize].as_bytes());
    out.extend_from_slice(b"\", \"score\": ");
    push_unsigned(out, below(at(bits, 1), 1_000));
    out.extend_from_slice(b", \"active\": ");
    out.extend_from_slice(if bits & 1 == 0 { b"false" } else { b"true" });
    out.push(b'}');
}

fn push_network(bits: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"10.");
    push_unsigned(out, bits & 255);
    out.push(b'.');
    push_unsigned(out, (bits >> 8) & 255);
    out.push(b'.');
}

/// Appends an array literal; every element stands in quotes, so that nothing in it can be mistaken.
fn write_array(element: &Value, bits: u64, row: u64, out: &mut Vec<u8>) {
    out.push(b'{');
    for place in 0..=below(at(bits, 0), 3) {
        if place > 0 {
            out.push(b',');
        }
        out.push(b'"');
        let start = out.len();
        element.write(at(bits, place + 1), row, out);
        escape(out, start, |byte| matches!(byte, b'"' | b'\\').then_some(byte));
        out.push(b'"');
    }
    out.push(b'}');
}

fn write_range(lower: &Value, upper: &Value, bits: u64, row: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"[\"");
    lower.write(bits, row, out);
    out.extend_from_slice(b"\",\"");
    // The two ends come from two spans of which one lies above the other, so the range is never upside down.
    upper.write(at(bits, 1), row, out);
    out.extend_from_slice(b"\")");
}

/// Puts a backslash before each byte of `out[start..]` for which `escaped` gives the letter to write.
pub(super) fn escape(out: &mut Vec<u8>, start: usize, escaped: impl Fn(u8) -> Option<u8>) {
    if out[start..].iter().all(|byte| escaped(*byte).is_none()) {
        return;
    }
    let plain = out.split_off(start);
    for byte in plain {
        match escaped(byte) {
            Some(letter) => out.extend_from_slice(&[b'\\', letter]),
            None => out.push(byte),
        }
    }
}

/// Returns the letter behind the backslash for bytes that COPY text cannot hold as they are.
pub(super) fn copy_escape(byte: u8) -> Option<u8> {
    match byte {
        b'\\' => Some(b'\\'),
        b'\t' => Some(b't'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        _ => None,
    }
}

/// All generated days.
pub(super) fn any_day() -> Value {
    Value::Date { low: FIRST_DAY, span: DAYS as u64 }
}

/// All generated seconds.
pub(super) fn any_second(zoned: bool) -> Value {
    Value::Timestamp { low: FIRST_DAY * DAY_SECONDS, span: (DAYS * DAY_SECONDS) as u64, zoned }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Value, bits: u64) -> String {
        let mut out = Vec::new();
        value.write(bits, 7, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_kind_has_its_form() {
        let unique = Value::UniqueText {
            stems: Pool::new(["anna"]),
            tag: b"-k3-".to_vec(),
            tails: Pool::new(["@example.com"]),
        };
        for (value, expected) in [
            (Value::Sequence { first: 100 }, "107"),
            (Value::Decimal { low: 1234, span: 1, scale: 2 }, "12.34"),
            (unique, "anna-k3-7@example.com"),
            (Value::Uuid, "00000000-0000-4005-a5aa-0b7c9b4c3d2f"),
            (Value::Bytes { count: 2 }, "\\x"),
            (Value::Cidr, "10.5.0.0/24"),
        ] {
            let found = text(&value, 5);
            let same = match value {
                Value::Uuid => found.starts_with("00000000-0000-4005-") && found.len() == expected.len(),
                Value::Bytes { .. } => found.starts_with(expected) && found.len() == 6,
                _ => found == expected,
            };
            assert!(same, "{found}, not {expected}");
        }
    }

    #[test]
    fn elements_of_arrays_are_quoted_and_escaped() {
        let found = text(&Value::Array(Box::new(Value::Text(Pool::new(["a\"b\\c"])))), 9);
        assert!(found.starts_with(r#"{"a\"b\\c""#), "{found}");
        assert!(found.ends_with(r#""}"#), "{found}");
    }

    #[test]
    fn json_is_json() {
        for bits in 0..50 {
            let found = text(&Value::Json, at(3, bits));
            let parsed: serde_json::Value = serde_json::from_str(&found).unwrap();
            assert!(parsed["score"].is_u64(), "{found}");
        }
    }
}
