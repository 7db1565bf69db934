//! Rates, waits and shares of packets as people write them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number or a text, as a file may hold either.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Written {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

impl Written {
    fn text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.trim().to_owned(),
        }
    }
}

/// The slowest rate. SSH goes through it too: at less, a login takes longer than its time.
const RATE_MIN: u64 = 64_000;
/// The fastest rate that is taken.
const RATE_MAX: u64 = 400_000_000_000;

/// Bits a second, from `64kbit` to `400gbit`. It is written as a number of bits or with a unit: `bit`, `kbit`, `mbit`, `gbit`, powers
/// of 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct Rate(pub u64);

impl TryFrom<Written> for Rate {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        const UNITS: [(&str, u32); 5] = [("", 0), ("bit", 0), ("kbit", 3), ("mbit", 6), ("gbit", 9)];
        let text = written.text();
        let (number, unit) = split(&text);
        let known = UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name));
        let bits = known.and_then(|(_, digits)| decimal(number, *digits));
        let Some(bits) = bits else {
            return Err(format!("`{text}` is no rate; write bits a second: `512kbit`, `1.5mbit`, `1gbit`"));
        };
        if !(RATE_MIN..=RATE_MAX).contains(&bits) {
            return Err(format!("a rate of `{text}` is not between 64kbit, which SSH needs, and 400gbit"));
        }
        Ok(Self(bits))
    }
}

/// A time from `1ms` to `10s`: `250ms`, `1.5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct Wait(pub Duration);

impl Wait {
    /// Returns whole microseconds.
    pub fn micros(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }
}

impl TryFrom<String> for Wait {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let units = [("us", 0), ("ms", 3), ("s", 6)];
        let trimmed = text.trim();
        let (number, unit) = split(trimmed);
        let known = units.iter().find(|(name, _)| *name == unit);
        let Some(micros) = known.and_then(|(_, digits)| decimal(number, *digits)) else {
            return Err(format!("`{text}` is no time; write a number and a unit: `100ms`, `1.5s`"));
        };
        if !(1_000..=10_000_000).contains(&micros) {
            return Err(format!("a time of `{text}` is not between 1ms and 10s, and our SSH must live on"));
        }
        Ok(Self(Duration::from_micros(micros)))
    }
}

/// A share of packets, above 0 and up to 100 percent: `10`, `0.5`, `12.5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct Share(
    /// In thousandths of a percent.
    pub u32,
);

impl TryFrom<Written> for Share {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = written.text();
        let number = text.strip_suffix('%').unwrap_or(&text).trim_end();
        let share = decimal(number, 3).and_then(|share| u32::try_from(share).ok());
        match share {
            Some(share @ 1..=100_000) => Ok(Self(share)),
            _ => {
                Err(format!("`{text}` is no share of packets; write percent, above 0 and up to 100: `12.5`"))
            }
        }
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

/// Returns `number` times ten to the power of `digits`, when that is whole. It is counted exactly, not in floating point.
fn decimal(number: &str, digits: u32) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let places = u32::try_from(fraction.len()).ok()?;
    if whole.is_empty()
        || number.ends_with('.')
        || !is_number(whole)
        || !is_number(fraction)
        || places > digits
    {
        return None;
    }
    let part =
        if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()? * 10_u64.pow(digits - places) };
    whole.parse::<u64>().ok()?.checked_mul(10_u64.pow(digits))?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: serde::de::DeserializeOwned>(json: &str) -> Option<T> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (json, bits) in [
            ("\"1mbit\"", 1_000_000),
            ("\"1.5 Mbit\"", 1_500_000),
            ("64000", 64_000),
            ("\"2gbit\"", 2_000_000_000),
        ] {
            assert_eq!(read::<Rate>(json), Some(Rate(bits)), "{json}");
        }
        for bad in [
            "\"\"",
            "\"1mb\"",
            "\"10kbit\"",
            "0",
            "-1",
            "\"1mbit; reboot\"",
            "\"999gbit\"",
            "\".5mbit\"",
            "\"1.mbit\"",
            "\"1kbps\"",
            "\"99999999999999999999gbit\"",
        ] {
            assert_eq!(read::<Rate>(bad), None, "{bad}");
        }
    }

    #[test]
    fn waits_are_bounded() {
        assert_eq!(read::<Wait>("\"1.5s\"").unwrap().micros(), 1_500_000);
        assert_eq!(read::<Wait>("\"100ms\"").unwrap().micros(), 100_000);
        for bad in ["\"\"", "100", "\"100\"", "\"11s\"", "\"0ms\"", "\"1m\"", "\"-1s\"", "\"1us\""] {
            assert_eq!(read::<Wait>(bad), None, "{bad}");
        }
    }

    #[test]
    fn shares_are_exact() {
        for (json, thousandths) in [("12.5", 12_500), ("\"0.05%\"", 50), ("100", 100_000), ("\"7 %\"", 7_000)]
        {
            assert_eq!(read::<Share>(json), Some(Share(thousandths)), "{json}");
        }
        for bad in ["0", "101", "-1", "\"\"", "\"%\"", "\"1%%\"", "0.0001", "1e400"] {
            assert_eq!(read::<Share>(bad), None, "{bad}");
        }
    }
}
