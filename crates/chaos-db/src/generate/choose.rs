//! Chooses, by type, name and constraints of a column, how its values are made.

use crate::schema::ColumnKind;

use super::Cell;
use super::calendar::{DAY_SECONDS, DAYS, FIRST_DAY, LAST_DAY};
use super::limits::{Half, Limits};
use super::literal::Literal;
use super::mix::{at, below, stream};
use super::plan::KeyPlan;
use super::pool::Pool;
use super::text::words_of;
use super::value::Value;

/// The most rows with a second of their own.
const TIMESTAMPS_MAX: u64 = 30_000_000;
/// Numbers are kept below this many units, so that all arithmetic stays far inside 64 bits.
const UNITS_MAX: i64 = 1_000_000_000_000_000;
/// The first number of the upper half, where one column must stay above another, and how far the halves reach.
const MIDDLE: i64 = 500;

/// What is known of the column whose values are to be chosen.
pub(super) struct Chooser<'a> {
    pub(super) table: &'a str,
    pub(super) column: &'a str,
    pub(super) limits: &'a Limits,
    pub(super) salt: u64,
    /// Whether every row must have another value.
    pub(super) distinct: bool,
    pub(super) keys: &'a KeyPlan,
}

impl Chooser<'_> {
    /// Chooses how values of this kind are made; the error says why they cannot.
    pub(super) fn choose(&self, kind: &ColumnKind) -> Result<Value, String> {
        if let Some(allowed) = &self.limits.one_of {
            return self.listed(allowed, kind);
        }
        match kind {
            ColumnKind::Int(bits) => self.integer(*bits),
            ColumnKind::Numeric { precision, scale } => self.decimal(*precision, *scale),
            ColumnKind::Float(_) => self.float(),
            ColumnKind::Text { max, .. } => self.text(*max),
            ColumnKind::Any => self.text(None),
            ColumnKind::Date => self.day().map(|(low, high)| Value::Date { low, span: span(low, high) }),
            ColumnKind::Timestamp { zoned } => self.timestamp(*zoned),
            ColumnKind::Range(of) => self.range(of),
            ColumnKind::Enum(labels) => self.label(labels),
            _ if !(self.limits.is_empty() || self.limits.json && matches!(kind, ColumnKind::Json { .. })) => {
                Err("a check on a column of its type is not understood".to_owned())
            }
            ColumnKind::Bool => Ok(Value::Bool),
            ColumnKind::Uuid => Ok(Value::Uuid),
            ColumnKind::Time { zoned } => Ok(Value::Time { zoned: *zoned }),
            ColumnKind::Interval => Ok(Value::Interval),
            ColumnKind::Json { .. } => Ok(Value::Json),
            ColumnKind::Bytes => Ok(Value::Bytes { count: 16 }),
            ColumnKind::Inet => Ok(Value::Inet),
            ColumnKind::Cidr => Ok(Value::Cidr),
            ColumnKind::MacAddr => Ok(Value::MacAddr),
            ColumnKind::Bit { length, .. } => Ok(Value::Bit { count: length.unwrap_or(8) }),
            ColumnKind::Array(element) => match &**element {
                ColumnKind::Array(_) | ColumnKind::Range(_) => Err("nested arrays are not made".to_owned()),
                element => Ok(Value::Array(Box::new(self.with_limits(&Limits::default()).choose(element)?))),
            },
            ColumnKind::Unsupported(name) => Err(format!("values of type `{name}` are not made")),
        }
    }

    /// Returns the chooser for a part of the value, which has limits of its own.
    fn with_limits<'b>(&'b self, limits: &'b Limits) -> Chooser<'b> {
        Chooser { limits, distinct: false, ..*self }
    }

    /// Picks from the values that a check lists.
    fn listed(&self, allowed: &[Literal], kind: &ColumnKind) -> Result<Value, String> {
        if self.distinct {
            return Err(format!("it must be unique, but a check allows only {} values", allowed.len()));
        }
        let kept: Vec<&Literal> =
            allowed.iter().filter(|literal| !self.limits.none_of.contains(literal)).collect();
        if kept.is_empty() {
            return Err("its checks leave no value".to_owned());
        }
        let cells = kept.iter().map(|literal| listed_cell(literal, kind)).collect::<Result<Vec<_>, _>>()?;
        let texts = Pool::new(kept.iter().map(|literal| listed_text(literal, kind)));
        Ok(Value::Choice { texts, cells })
    }

    fn label(&self, labels: &[String]) -> Result<Value, String> {
        let allowed: Vec<Literal> = labels.iter().cloned().map(Literal::Text).collect();
        self.listed(&allowed, &ColumnKind::Text { max: None, padded: false })
    }

    fn integer(&self, bits: u8) -> Result<Value, String> {
        let (least, most) = match bits {
            16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
            32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        if self.distinct {
            let first = self.first_number(most)?;
            return Ok(Value::Sequence { first });
        }
        let (low, high) = usual_whole(&words_of(self.column));
        let (low, high) = within(self.whole(low, high.min(most), 1.0)?, least, most)?;
        Ok(Value::Integer { low, span: span(low, high) })
    }

    fn decimal(&self, precision: Option<u16>, scale: u16) -> Result<Value, String> {
        let whole_digits = precision.map_or(15, |precision| precision.saturating_sub(scale).min(15));
        // More than six digits behind the point look no more real, and fewer are always valid.
        let scale = if precision.is_some() { u32::from(scale.min(6)) } else { 2 };
        let most = 10_i64.pow(u32::from(whole_digits)) - 1;
        if self.distinct {
            let first = self.first_number(most)?;
            return Ok(Value::Sequence { first });
        }
        let unit = 10_i64.pow(scale);
        let most_units = if most == 0 { unit - 1 } else { most.saturating_mul(unit).min(UNITS_MAX) };
        let (low, high) = usual_amount(&words_of(self.column));
        let (low, high) =
            self.whole((low * unit).min(most_units), (high * unit).min(most_units), unit as f64)?;
        let (low, high) = within((low, high), -most_units, most_units)?;
        Ok(Value::Decimal { low, span: span(low, high), scale })
    }

    fn float(&self) -> Result<Value, String> {
        if self.distinct {
            // Whole numbers up to 2^53 are exact in 64-bit floats.
            let first = self.first_number(1 << 53)?;
            return Ok(Value::FloatSequence { first });
        }
        let (low, high) = usual_amount(&words_of(self.column));
        let (low, high) = self.whole(low * 1_000, high * 1_000, 1_000.0)?;
        Ok(Value::Float { low, span: span(low, high), scale: 3 })
    }

    /// Returns the first of the caller's free numbers, if all of them fit.
    fn first_number(&self, most: i64) -> Result<i64, String> {
        let first = self.keys.first_numbers.get(self.column);
        let first = *first.ok_or_else(|| "no free range of numbers was given for it".to_owned())?;
        let last = first.checked_add_unsigned(self.keys.rows.saturating_sub(1)).filter(|last| *last <= most);
        let last =
            last.ok_or_else(|| format!("{} numbers from {first} on do not fit its type", self.keys.rows))?;
        let range = self.limits.range(Literal::number)?;
        if range.holds(first as f64, last as f64)
            && self.limits.none_of.is_empty()
            && self.limits.half.is_none()
        {
            Ok(first)
        } else {
            Err("it must be unique, and its checks leave no free range of numbers".to_owned())
        }
    }

    /// Cuts the usual values, in steps of `1 / unit`, to what the checks leave.
    fn whole(&self, low: i64, high: i64, unit: f64) -> Result<(i64, i64), String> {
        let range = self.limits.range(Literal::number)?;
        let middle = (MIDDLE as f64 * unit) as i64;
        let cut = match self.limits.half {
            Some(Half::Lower) => range.trim(0, middle - 1, unit),
            Some(Half::Upper) => range.trim(middle, 2 * middle, unit),
            None => range.cut(low, high, unit),
        };
        let (low, high) = cut.ok_or_else(|| "its checks leave no value".to_owned())?;
        let refused = self.limits.none_of.iter().map(Literal::number);
        let refused = refused
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| "a check on it is not understood".to_owned())?;
        avoid(low, high, refused.into_iter().map(|value| value * unit))
            .ok_or_else(|| "its checks leave no value".to_owned())
    }

    /// Returns the first and last day that may be made.
    fn day(&self) -> Result<(i64, i64), String> {
        if !self.limits.none_of.is_empty() {
            return Err("a check on it is not understood".to_owned());
        }
        let range = self.limits.range(Literal::day)?;
        let (low, high) = (FIRST_DAY, FIRST_DAY + DAYS - 1);
        let cut = match self.limits.half {
            Some(Half::Lower) => range.trim(low, low + DAYS / 2 - 1, 1.0),
            Some(Half::Upper) => range.trim(low + DAYS / 2, high, 1.0),
            None if self.limits.past => range.trim(low, high, 1.0),
            None => range.cut(low, high, 1.0),
        };
        match cut {
            Some((low, high)) => Ok((low, high.min(LAST_DAY))),
            None => Err("its checks leave no value".to_owned()),
        }
    }

    fn timestamp(&self, zoned: bool) -> Result<Value, String> {
        let (first_day, last_day) = self.day()?;
        // A day inside at both ends, so that the time zone of the server cannot push a moment over a limit.
        let limited = !self.limits.is_empty();
        let (first_day, last_day) =
            if limited { (first_day + 1, last_day - 1) } else { (first_day, last_day) };
        if first_day > last_day {
            return Err("its checks leave too few days".to_owned());
        }
        let (low, days) = (first_day * DAY_SECONDS, span(first_day, last_day));
        if !self.distinct {
            return Ok(Value::Timestamp { low, span: days * DAY_SECONDS.unsigned_abs(), zoned });
        }
        let seconds = days * DAY_SECONDS.unsigned_abs();
        if self.keys.rows > TIMESTAMPS_MAX.min(seconds) {
            return Err(format!("it must be unique, and {} moments are too many", self.keys.rows));
        }
        // Each run begins at a microsecond of its own; existing rows hardly ever sit on exactly these.
        let tag = stream(0, &self.keys.tag);
        let start = below(tag, seconds - self.keys.rows + 1) * 1_000_000 + below(at(tag, 1), 1_000_000);
        Ok(Value::UniqueTimestamp { first: (low * 1_000_000).saturating_add_unsigned(start), zoned })
    }

    fn range(&self, of: &ColumnKind) -> Result<Value, String> {
        if !self.limits.is_empty() {
            return Err("a check on a range is not understood".to_owned());
        }
        match of {
            ColumnKind::Int(_)
            | ColumnKind::Numeric { .. }
            | ColumnKind::Date
            | ColumnKind::Timestamp { .. } => {}
            _ => return Err("ranges over its type are not made".to_owned()),
        }
        let lower = self.with_limits(&Limits::half(Half::Lower)).choose(of)?;
        let upper = self.with_limits(&Limits::half(Half::Upper)).choose(of)?;
        Ok(Value::Range { lower: Box::new(lower), upper: Box::new(upper) })
    }
}

/// Narrows `low..=high` until none of `refused` is inside.
fn avoid(mut low: i64, mut high: i64, refused: impl Iterator<Item = f64>) -> Option<(i64, i64)> {
    let mut refused: Vec<i64> =
        refused.filter(|value| value.fract() == 0.0).map(|value| value as i64).collect();
    refused.sort_unstable();
    for value in refused {
        if value == low {
            low = low.checked_add(1)?;
        } else if low < value && value <= high {
            high = value - 1;
        }
    }
    (low <= high).then_some((low, high))
}

/// Cuts `low..=high` to what the type can hold.
fn within((low, high): (i64, i64), least: i64, most: i64) -> Result<(i64, i64), String> {
    let (low, high) = (low.max(least), high.min(most));
    if low <= high { Ok((low, high)) } else { Err("its checks leave no value that fits its type".to_owned()) }
}

fn span(low: i64, high: i64) -> u64 {
    high.abs_diff(low).saturating_add(1)
}

fn listed_cell(literal: &Literal, kind: &ColumnKind) -> Result<Cell, String> {
    let unreadable = || format!("`{}` is not understood as a value of it", literal.text());
    match kind {
        ColumnKind::Int(_) | ColumnKind::Bool => match literal {
            Literal::Bool(value) => Ok(Cell::Int(i64::from(*value))),
            other => other.number().map(|number| Cell::Int(number as i64)).ok_or_else(unreadable),
        },
        ColumnKind::Numeric { .. } | ColumnKind::Float(_) => {
            literal.number().map(Cell::Real).ok_or_else(unreadable)
        }
        _ => Ok(Cell::Text(literal.text())),
    }
}

fn listed_text(literal: &Literal, kind: &ColumnKind) -> String {
    match (kind, literal) {
        (ColumnKind::Bool, Literal::Number(number)) => if *number == 0.0 { "f" } else { "t" }.to_owned(),
        (ColumnKind::Int(_), Literal::Bool(value)) => u8::from(*value).to_string(),
        _ => literal.text(),
    }
}

/// Returns the usual smallest and largest whole number for a column of this name.
fn usual_whole(words: &[String]) -> (i64, i64) {
    let has = |any: &[&str]| any.iter().any(|word| words.iter().any(|found| found == word));
    let last = words.last().map(String::as_str);
    match () {
        () if has(&["age"]) => (18, 90),
        () if has(&["quantity", "qty", "count", "pieces"]) => (1, 100),
        () if has(&["stock", "inventory"]) => (0, 1_000),
        () if has(&["year"]) => (1990, 2025),
        () if has(&["month"]) => (1, 12),
        () if has(&["day"]) => (1, 28),
        () if has(&["hour"]) => (0, 23),
        () if has(&["minute", "second"]) => (0, 59),
        () if has(&["rating", "stars", "priority", "level", "rank"]) => (1, 5),
        () if has(&["percent", "percentage", "discount", "rate", "progress"]) => (0, 100),
        () if has(&["port"]) => (1_024, 65_535),
        () if has(&["is", "has", "active", "enabled", "deleted", "flag", "verified"]) => (0, 1),
        // Seconds since 1970, as programs keep moments in numbers.
        () if matches!(last, Some("at" | "timestamp")) => {
            (FIRST_DAY * DAY_SECONDS, (FIRST_DAY + DAYS) * DAY_SECONDS)
        }
        () if has(&["cents", "amount", "total", "price", "cost", "balance", "salary"]) => (100, 100_000),
        () => (1, 10_000),
    }
}

/// Returns the usual smallest and largest amount for a column of this name.
fn usual_amount(words: &[String]) -> (i64, i64) {
    let has = |any: &[&str]| any.iter().any(|word| words.iter().any(|found| found == word));
    match () {
        () if has(&["latitude", "lat"]) => (-85, 85),
        () if has(&["longitude", "lon", "lng"]) => (-180, 180),
        () if has(&["rating", "stars", "score"]) => (1, 5),
        () if has(&["percent", "percentage", "discount", "rate", "ratio", "probability"]) => (0, 1),
        () if has(&["tax", "shipping", "fee"]) => (0, 50),
        () if has(&["salary", "income", "revenue", "balance"]) => (1_000, 90_000),
        () => (1, 1_000),
    }
}
