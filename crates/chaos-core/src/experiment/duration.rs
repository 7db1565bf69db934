//! How long a person may ask a fault to be held.

use std::time::Duration;

/// The longest hold that makes sense in a file. Policy allows less.
pub const HOLD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a duration as people write it: `90s`, `5m`, `1h 30m`.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn parse_hold(text: &str) -> Result<Duration, (String, String)> {
    let example = "write a number and a unit, for example `90s`, `5m` or `1h 30m`";
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return Err((format!("a duration cannot be negative, as `{text}` is"), example.to_owned()));
    }
    let hold = match humantime::parse_duration(trimmed) {
        Ok(hold) => hold,
        Err(_) if trimmed.is_empty() => return Err(("the duration is empty".to_owned(), example.to_owned())),
        Err(_) if !trimmed.is_empty() && trimmed.chars().all(|c| c.is_ascii_digit()) => {
            return Err((format!("`{text}` has no unit"), example.to_owned()));
        }
        Err(error) => return Err((format!("`{text}` is not a duration: {error}"), example.to_owned())),
    };
    if hold.is_zero() {
        return Err((format!("`{text}` is no time at all"), example.to_owned()));
    }
    if hold > HOLD_MAX {
        let message = format!("`{text}` is longer than 24 hours");
        let months = trimmed.contains('M');
        let hint = if months { "`M` means months; minutes are `m`" } else { "hold it for 24 hours or less" };
        return Err((message, hint.to_owned()));
    }
    Ok(hold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let seconds = |text| parse_hold(text).unwrap().as_secs();
        assert_eq!(
            [seconds("5m"), seconds("1h 30m"), seconds(" 90s "), seconds("24h"), seconds("1day")],
            [300, 5400, 90, 86400, 86400]
        );
        assert_eq!(parse_hold("250ms").unwrap().as_millis(), 250);
    }

    #[test]
    fn what_is_no_duration_is_refused_with_its_reason() {
        let refused = |text| parse_hold(text).unwrap_err().0;
        assert_eq!(refused(""), "the duration is empty");
        assert_eq!(refused("300"), "`300` has no unit");
        assert_eq!(refused("-5m"), "a duration cannot be negative, as `-5m` is");
        assert_eq!(refused("0s"), "`0s` is no time at all");
        assert_eq!(refused("25h"), "`25h` is longer than 24 hours");
        assert!(refused("5 minuets").starts_with("`5 minuets` is not a duration: "));
        assert!(refused("99999999999999999999999h").contains("is not a duration"));
        assert_eq!(parse_hold("5M").unwrap_err().1, "`M` means months; minutes are `m`");
    }
}
