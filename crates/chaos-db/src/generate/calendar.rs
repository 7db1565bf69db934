//! Writes dates and times of the proleptic Gregorian calendar, without allocating.

use super::numbers::push_padded;

/// Seconds of a day.
pub(super) const DAY_SECONDS: i64 = 86_400;
/// The first generated day, 2020-01-01, in days since 1970-01-01.
pub(super) const FIRST_DAY: i64 = 18_262;
/// How many days are generated: 2020-01-01 to 2025-12-31, so that they are past for any clock that is right.
pub(super) const DAYS: i64 = 2_192;
/// The last day that is written with four digits of the year, 9999-12-31.
pub(super) const LAST_DAY: i64 = 2_932_896;

/// Returns year, month and day of the day `days` after 1970-01-01.
#[inline]
fn civil(days: i64) -> (i64, u64, u64) {
    // Counts from 0000-03-01 in eras of 400 years, so that the leap day is the last day of a year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u64, day as u64)
}

/// Returns the days from 1970-01-01 to this day.
pub(super) fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Reads `2024-03-05`, also with a time behind it, as days since 1970-01-01.
pub(super) fn parse_day(text: &str) -> Option<i64> {
    let date = text.get(..10)?;
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let valid = parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day);
    valid.then(|| days_since_epoch(year, month, day))
}

/// Appends the day as `2024-03-05`.
#[inline]
pub(super) fn push_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil(days);
    push_padded(out, year.unsigned_abs(), 4);
    out.push(b'-');
    push_padded(out, month, 2);
    out.push(b'-');
    push_padded(out, day, 2);
}

/// Appends a time of day as `10:11:12`.
#[inline]
pub(super) fn push_time(out: &mut Vec<u8>, second: i64) {
    let second = second.unsigned_abs();
    push_padded(out, second / 3_600, 2);
    out.push(b':');
    push_padded(out, second / 60 % 60, 2);
    out.push(b':');
    push_padded(out, second % 60, 2);
}

/// Appends a moment, in microseconds since 1970-01-01, as `2024-03-05 10:11:12`, with a fraction where there is one.
#[inline]
pub(super) fn push_moment(out: &mut Vec<u8>, micros: i64, zoned: bool) {
    let seconds = micros.div_euclid(1_000_000);
    push_date(out, seconds.div_euclid(DAY_SECONDS));
    out.push(b' ');
    push_time(out, seconds.rem_euclid(DAY_SECONDS));
    let fraction = micros.rem_euclid(1_000_000);
    if fraction != 0 {
        out.push(b'.');
        push_padded(out, fraction.unsigned_abs(), 6);
    }
    if zoned {
        out.extend_from_slice(b"+00");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(micros: i64) -> String {
        let mut out = Vec::new();
        push_moment(&mut out, micros, true);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn moments_agree_with_the_calendar_library() {
        for day in (-30_000..LAST_DAY).step_by(997) {
            let micros = day * DAY_SECONDS * 1_000_000 + 47_111_000_123;
            let expected = jiff::Timestamp::from_microsecond(micros).unwrap();
            let expected = expected.strftime("%Y-%m-%d %H:%M:%S.%6f+00").to_string();
            assert_eq!(moment(micros), expected);
            assert_eq!(parse_day(&expected), Some(day));
        }
    }

    #[test]
    fn the_first_generated_day_is_new_years_day_2020() {
        assert_eq!(moment(FIRST_DAY * DAY_SECONDS * 1_000_000), "2020-01-01 00:00:00+00");
        assert_eq!(parse_day("2026-01-01"), Some(FIRST_DAY + DAYS));
        assert_eq!(parse_day("9999-12-31"), Some(LAST_DAY));
    }

    #[test]
    fn text_that_is_no_date_is_not_read_as_one() {
        for text in ["", "2024", "2024-13-01", "20240305xx", "now"] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }
}
