//! Reads values of settings as the server does, for those that it will not try out for us.

use super::server::Setting;

/// Two real numbers that differ by less than this share are one: the server prints six digits.
const REAL_DIGITS: f64 = 1e-5;

/// Returns `value` as `pg_settings` would show it, or why the server would refuse it.
pub(super) fn canonical(setting: &Setting, value: &str) -> Result<String, String> {
    match setting.vartype.as_str() {
        "bool" => boolean(value).map(str::to_owned),
        "enum" => {
            let found = setting.enumvals.iter().find(|label| label.eq_ignore_ascii_case(value.trim()));
            found.cloned().ok_or_else(|| format!("it is none of `{}`", setting.enumvals.join("`, `")))
        }
        "integer" => number(setting, value).map(|number| format!("{}", number.round_ties_even())),
        "real" => number(setting, value).map(|number| number.to_string()),
        _ => Ok(value.to_owned()),
    }
}

/// Returns whether two values as `pg_settings` shows them are the same.
pub(super) fn same(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => (left - right).abs() <= REAL_DIGITS * left.abs().max(right.abs()),
        _ => false,
    }
}

fn boolean(value: &str) -> Result<&'static str, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "t" | "y" => Ok("on"),
        "off" | "false" | "no" | "0" | "f" | "n" => Ok("off"),
        _ => Err("it is neither `on` nor `off`".to_owned()),
    }
}

fn number(setting: &Setting, value: &str) -> Result<f64, String> {
    let value = value.trim();
    let split = value.find(|c: char| c.is_ascii_alphabetic() && c != 'e' && c != 'E').unwrap_or(value.len());
    let (digits, unit) = (value[..split].trim(), value[split..].trim());
    let number: f64 = digits.parse().map_err(|_| "it is not a number".to_owned())?;
    if !number.is_finite() {
        return Err("it is not a number".to_owned());
    }
    let number = number * factor(unit, setting.unit.as_deref())?;
    let rounded = if setting.vartype == "integer" { number.round_ties_even() } else { number };
    let bound = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
    let (min, max) = (bound(&setting.min), bound(&setting.max));
    if min.is_some_and(|min| rounded < min) || max.is_some_and(|max| rounded > max) {
        let shown = |text: &Option<String>| text.clone().unwrap_or_default();
        let unit = setting.unit.as_deref().map(|unit| format!(" (in units of {unit})")).unwrap_or_default();
        return Err(format!("it must be {} to {}{unit}", shown(&setting.min), shown(&setting.max)));
    }
    Ok(rounded)
}

/// By how much a number in `unit` is multiplied to be one in the unit of the setting.
fn factor(unit: &str, base: Option<&str>) -> Result<f64, String> {
    if unit.is_empty() {
        return Ok(1.0);
    }
    let Some(base) = base else { return Err(format!("it takes no unit, and `{unit}` is one")) };
    // The unit of a setting may be a multiple: `8kB`.
    let split = base.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    let multiple: f64 = base[..split].parse().unwrap_or(1.0);
    let (given, own) = (size(unit), size(&base[split..]));
    match (given, own) {
        (Some((given, kind)), Some((own, own_kind))) if kind == own_kind => Ok(given / (own * multiple)),
        (_, Some((_, Kind::Memory))) => Err(format!("`{unit}` is none of the units B, kB, MB, GB, TB")),
        _ => Err(format!("`{unit}` is none of the units us, ms, s, min, h, d")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Memory,
    Time,
}

/// A unit in bytes or microseconds.
fn size(unit: &str) -> Option<(f64, Kind)> {
    Some(match unit {
        "B" => (1.0, Kind::Memory),
        "kB" => (1024.0, Kind::Memory),
        "MB" => (1_048_576.0, Kind::Memory),
        "GB" => (1_073_741_824.0, Kind::Memory),
        "TB" => (1_099_511_627_776.0, Kind::Memory),
        "us" => (1.0, Kind::Time),
        "ms" => (1e3, Kind::Time),
        "s" => (1e6, Kind::Time),
        "min" => (60e6, Kind::Time),
        "h" => (3_600e6, Kind::Time),
        "d" => (86_400e6, Kind::Time),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(vartype: &str, unit: &str, min: &str, max: &str) -> Setting {
        let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Setting {
            vartype: vartype.to_owned(),
            unit: optional(unit),
            min: optional(min),
            max: optional(max),
            enumvals: vec!["none".to_owned(), "debug1".to_owned()],
            ..Setting::default()
        }
    }

    #[test]
    fn values_are_read_as_the_server_reads_them() {
        let seconds = setting("integer", "s", "30", "86400");
        let pages = setting("integer", "8kB", "0", "262143");
        let real = setting("real", "ms", "-1", "100");
        for (setting, value, shown) in [
            (&seconds, "5min", "300"),
            (&seconds, "300", "300"),
            (&seconds, "1.5 min", "90"),
            (&seconds, "31000ms", "31"),
            (&pages, "2MB", "256"),
            (&pages, "12kB", "2"),
            (&real, "1500us", "1.5"),
            (&real, "2e1", "20"),
            (&setting("bool", "", "", ""), "TRUE", "on"),
            (&setting("enum", "", "", ""), "Debug1", "debug1"),
            (&setting("string", "", "", ""), "%m ", "%m "),
        ] {
            assert_eq!(canonical(setting, value).as_deref(), Ok(shown), "{value}");
        }
    }

    #[test]
    fn values_that_the_server_would_refuse_are_refused() {
        let seconds = setting("integer", "s", "30", "86400");
        for (setting, value, reason) in [
            (&seconds, "7s", "it must be 30 to 86400 (in units of s)"),
            (&seconds, "4MB", "none of the units us"),
            (&seconds, "soon", "not a number"),
            (&seconds, "", "not a number"),
            (&setting("integer", "kB", "0", "9"), "5min", "none of the units B"),
            (&setting("integer", "", "0", "9"), "5kB", "takes no unit"),
            (&setting("bool", "", "", ""), "maybe", "neither"),
            (&setting("enum", "", "", ""), "debug9", "none of `none`, `debug1`"),
        ] {
            let error = canonical(setting, value).unwrap_err();
            assert!(error.contains(reason), "{value}: {error}");
        }
    }

    #[test]
    fn six_digits_are_enough_for_a_real_number() {
        assert!(same("0.333333", "0.3333333333"));
        assert!(!same("1", "2"));
        assert!(!same("on", "off"));
    }
}
