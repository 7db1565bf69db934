//! Sizes and shares as people write them: `5GB`, `512MiB`, `30%`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// The units that a size may be written in. A letter alone is what `fallocate`, `dd` and `stress-ng` take it for.
const UNITS: [(&str, u64); 17] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("p", 1 << 50),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("pb", 1_000_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("pib", 1 << 50),
];

/// The units that a size is shown in, the largest first.
const SHOWN: [(&str, u64); 8] = [
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("KB", 1_000),
    ("KiB", 1 << 10),
];

/// A size in bytes, at least 1: a fault of nothing is a typo.
///
/// It is written as a number of bytes or as a text with a unit: `KB`, `MB`, `GB`, `TB` are powers of 1000, `KiB`, `MiB`,
/// `GiB`, `TiB` and `K`, `M`, `G`, `T` powers of 1024. Upper and lower case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bytes(u64);

impl Bytes {
    /// Returns a size of this many bytes, or nothing for 0.
    pub const fn new(bytes: u64) -> Option<Self> {
        match bytes {
            0 => None,
            bytes => Some(Self(bytes)),
        }
    }

    /// Returns a size of this many MiB; 0 is taken for 1.
    pub const fn mib(mib: u32) -> Self {
        match mib {
            0 => Self(1 << 20),
            mib => Self((mib as u64) << 20),
        }
    }

    /// Returns the number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Shows a number of bytes exactly where a unit allows it, else with one digit behind the point: `5 GB`, `1.3 GiB`.
pub fn show(bytes: u64) -> String {
    if let Some((unit, size)) = SHOWN.iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size)) {
        return format!("{} {unit}", bytes / size);
    }
    let binary = SHOWN.iter().skip(1).step_by(2);
    match binary.into_iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*size);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show(self.0))
    }
}

/// Why a text is no size or no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// A size that cannot be read.
    #[error("`{0}` is no size; write a number of bytes, or a number and a unit: `512MiB`, `5GB`")]
    Bytes(String),
    /// A size of nothing.
    #[error("a size of `{0}` is nothing; it must be at least one byte")]
    Nothing(String),
    /// A size that no disk has.
    #[error("`{0}` is more than can be counted")]
    TooMuch(String),
    /// A share that is none.
    #[error("`{0}` is no share; write a whole number of percent, 1 to 100: `80` or `80%`")]
    Percent(String),
}

impl FromStr for Bytes {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let trimmed = text.trim();
        let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(end);
        let unit = unit.trim_start().to_ascii_lowercase();
        let unit = UNITS.iter().find(|(name, _)| *name == unit);
        let Some((_, size)) = unit else { return Err(SizeError::Bytes(text.to_owned())) };
        match scaled(number, *size) {
            None => Err(SizeError::Bytes(text.to_owned())),
            Some(0) => Err(SizeError::Nothing(text.to_owned())),
            // The kernel counts the bytes of a file with a sign.
            Some(bytes) => match u64::try_from(bytes) {
                Ok(bytes) if i64::try_from(bytes).is_ok() => Ok(Self(bytes)),
                Ok(_) | Err(_) => Err(SizeError::TooMuch(text.to_owned())),
            },
        }
    }
}

/// Returns `number` units of `size` bytes, cut to whole bytes. A fraction is counted exactly, not in floating point.
fn scaled(number: &str, size: u64) -> Option<u128> {
    // More digits than these mean nothing for a size that fits.
    const DIGITS_MAX: usize = 20;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) || whole.len() > DIGITS_MAX {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(9)];
    let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(size)
        / 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some(whole.parse::<u128>().ok()? * u128::from(size) + part)
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader("a size such as `512MiB` or a number of bytes", PhantomData))
    }
}

impl JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "pattern": "^\\s*[0-9]+(\\.[0-9]+)?\\s*([KkMmGgTtPp]([Ii]?[Bb])?|[Bb])?\\s*$" }
            ]
        })
    }
}

/// A share, 1 to 100 percent. Zero is refused: a fault of nothing is a typo. It is written as a number or as `80%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Percent(u8);

impl Percent {
    /// The whole.
    pub const ALL: Self = Self(100);

    /// Returns this share, or nothing when it is not 1 to 100.
    pub const fn new(percent: u8) -> Option<Self> {
        match percent {
            1..=100 => Some(Self(percent)),
            _ => None,
        }
    }

    /// Returns the number of percent.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Returns this share of `whole`, rounded down.
    pub fn of(self, whole: u64) -> u64 {
        let part = u128::from(whole) * u128::from(self.0) / 100;
        u64::try_from(part).unwrap_or(whole)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl FromStr for Percent {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let trimmed = text.trim();
        let number = trimmed.strip_suffix('%').unwrap_or(trimmed).trim_end();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let percent = if is_number { number.parse().ok().and_then(Self::new) } else { None };
        percent.ok_or_else(|| SizeError::Percent(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader("a share such as `80%` or a number of percent", PhantomData))
    }
}

impl JsonSchema for Percent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": 100 },
                { "type": "string", "pattern": "^\\s*([1-9][0-9]?|100)\\s*%?\\s*$" }
            ]
        })
    }
}

/// Reads a number or a text by way of the text, so that both have the same rules.
struct Reader<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err = SizeError>> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn bytes(value: Value) -> Result<u64, String> {
        serde_json::from_value::<Bytes>(value).map(Bytes::get).map_err(|error| error.to_string())
    }

    #[test]
    fn a_size_is_what_its_unit_says() {
        let table = [
            (json!(512), 512),
            (json!("512"), 512),
            (json!("1 b"), 1),
            (json!("5GB"), 5_000_000_000),
            (json!("5gb"), 5_000_000_000),
            (json!("512MiB"), 512 << 20),
            (json!("256M"), 256 << 20),
            (json!("1.5 GiB"), 3 << 29),
            (json!("0.1KB"), 100),
            (json!(" 2TB "), 2_000_000_000_000),
        ];
        for (value, expected) in table {
            assert_eq!(bytes(value.clone()), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_what_to_write() {
        for value in
            ["", "GB", "-1", "5 gigs", "1,5GB", "1..5GB", "1.GB", ".5GB", "0x10", "1e9", "5G B", "5GB;id"]
        {
            let error = bytes(json!(value)).unwrap_err();
            assert_eq!(error, SizeError::Bytes(value.to_owned()).to_string());
        }
        assert_eq!(
            bytes(json!("0GB")),
            Err("a size of `0GB` is nothing; it must be at least one byte".to_owned())
        );
        assert_eq!(bytes(json!(i64::MAX)), Ok(9_223_372_036_854_775_807));
        assert!(bytes(json!(1_u64 << 63)).unwrap_err().contains("is more than can be counted"));
        assert_eq!(bytes(json!("99999PB")), Err("`99999PB` is more than can be counted".to_owned()));
        assert!(bytes(json!(-1)).is_err() && bytes(json!(true)).is_err() && bytes(json!(null)).is_err());
    }

    #[test]
    fn a_size_is_shown_exactly_where_it_can_be() {
        let table = [
            (1_000_000_000, "1 GB"),
            (1 << 30, "1 GiB"),
            (512 << 20, "512 MiB"),
            (999, "999 bytes"),
            (123_456_789, "117.7 MiB"),
            (1025, "1.0 KiB"),
        ];
        for (size, expected) in table {
            assert_eq!(show(size), expected);
        }
    }

    #[test]
    fn a_share_is_one_to_a_hundred() {
        for (value, expected) in [(json!(1), 1), (json!("80%"), 80), (json!("100"), 100), (json!(100), 100)] {
            assert_eq!(serde_json::from_value::<Percent>(value).unwrap().get(), expected);
        }
        for value in [json!(0), json!(101), json!("80%%x"), json!("%"), json!(-5), json!(1.5), json!("300%")]
        {
            let error = serde_json::from_value::<Percent>(value.clone()).unwrap_err().to_string();
            assert!(
                error.contains("is no share; write a whole number of percent, 1 to 100"),
                "{value}: {error}"
            );
        }
        assert_eq!(Percent::new(30).unwrap().of(u64::MAX), 5_534_023_222_112_865_484);
    }

    #[test]
    fn the_schema_says_what_the_parser_takes() {
        let schema = serde_json::to_value(schemars::schema_for!(Bytes)).unwrap();
        let pattern = regex::Regex::new(schema["anyOf"][1]["pattern"].as_str().unwrap()).unwrap();
        for text in ["5GB", "512MiB", " 1.5 g ", "7", "1b"] {
            assert!(pattern.is_match(text) && text.parse::<Bytes>().is_ok(), "{text}");
        }
        for text in ["5XB", "GB", "-1", "5GiBB"] {
            assert!(!pattern.is_match(text) && text.parse::<Bytes>().is_err(), "{text}");
        }
    }
}
