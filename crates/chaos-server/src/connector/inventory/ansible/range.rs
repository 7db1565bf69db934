//! Ranges in names of hosts: `web[01:20].example.com`.

use std::sync::LazyLock;

use regex::Regex;

/// More hosts than these in one line are a mistake.
const NAMES_MAX: usize = 10_000;

static RANGE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\[([0-9]{1,9}|[A-Za-z]):([0-9]{1,9}|[A-Za-z])(?::([0-9]{1,9}))?\]").ok());

/// Returns every name that `pattern` stands for.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let mut names = vec![pattern.to_owned()];
    // Each round takes the first range of all names; they all have as many.
    while let Some(found) = RANGE.as_ref().and_then(|range| range.captures(&names[0])) {
        let parts = members(&found[1], &found[2], found.get(3).map(|step| step.as_str()))
            .ok_or_else(|| format!("`{pattern}`: `{}` is no range", &found[0]))?;
        if parts.len().saturating_mul(names.len()) > NAMES_MAX {
            return Err(format!("`{pattern}` stands for more than {NAMES_MAX} hosts"));
        }
        let written = found[0].to_owned();
        let with =
            |name: &String| parts.iter().map(|part| name.replacen(&written, part, 1)).collect::<Vec<_>>();
        names = names.iter().flat_map(with).collect();
    }
    Ok(names)
}

fn members(first: &str, last: &str, step: Option<&str>) -> Option<Vec<String>> {
    let step = step.map_or(Some(1), |step| step.parse().ok()).filter(|step| *step > 0)?;
    let letter = |text: &str| text.chars().next().filter(char::is_ascii_alphabetic);
    if let (Some(first), Some(last)) = (letter(first), letter(last)) {
        return (first <= last).then(|| (first..=last).step_by(step).map(String::from).collect());
    }
    let (start, end): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    // Leading zeros say how wide every number is.
    let width = if first.starts_with('0') { first.len() } else { 0 };
    let count = usize::try_from(end.checked_sub(start)?).ok()? / step;
    if count > NAMES_MAX {
        return Some(vec![String::new(); NAMES_MAX + 1]);
    }
    Some((start..=end).step_by(step).map(|number| format!("{number:0width$}")).collect())
}
