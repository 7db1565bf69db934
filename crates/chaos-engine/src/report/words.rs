//! Small things in words: durations, effects, and text that is safe to print.

use chaos_core::{Effect, RevertOutcome, Reverted, Rope};
use jiff::SignedDuration;
use serde_json::{Number, Value};

use super::model::TargetReport;

/// Returns milliseconds as people say them: `5m 3s`, `120ms`.
pub fn duration(milliseconds: u64) -> String {
    let whole = i64::try_from(milliseconds).unwrap_or(i64::MAX);
    // Beyond ten seconds nobody reads the milliseconds.
    let shown = if whole >= 10_000 { whole - whole % 1000 } else { whole };
    match shown {
        0 => "0s".to_owned(),
        shown => format!("{:#}", SignedDuration::from_millis(shown)),
    }
}

/// How many targets of one experiment are listed.
const TARGETS_SHOWN: usize = 10;

/// Returns the targets of an experiment that are listed: what each is, and its label.
pub(super) fn targets(targets: &[TargetReport]) -> Vec<(String, String)> {
    targets.iter().take(TARGETS_SHOWN).map(target).collect()
}

/// Returns how many targets are not listed, where there are many.
pub(super) fn targets_unlisted(targets: &[TargetReport]) -> Option<String> {
    (targets.len() > TARGETS_SHOWN).then(|| format!("and {} more", targets.len() - TARGETS_SHOWN))
}

fn target(target: &TargetReport) -> (String, String) {
    let name = target.name.as_ref().map(|name| format!("{}: ", plain(name))).unwrap_or_default();
    (format!("{name}{}", plain(&target.product)), plain(&target.label))
}

/// Returns a number of steps in words.
pub fn steps(count: usize) -> String {
    match count {
        1 => "1 step".to_owned(),
        count => format!("{count} steps"),
    }
}

/// Returns what ends a fault when we never come back.
pub fn rope(rope: Rope) -> &'static str {
    match rope {
        Rope::EndsByItself => "it has no lasting effect",
        Rope::OnTarget { survives_reboot: true } => "a deadline on the target ends it, also after a reboot",
        Rope::OnTarget { survives_reboot: false } => {
            "a deadline on the target ends it, but a reboot of the target would lose the deadline"
        }
        Rope::ServerLimit => "a limit of the server ends it",
        Rope::None => "it lasts until the guardian or `chaos recover` undoes it",
    }
}

/// Returns how an undo ended. What the target did by itself is said only where somebody said so.
pub fn undone(reverted: &Reverted) -> String {
    match (reverted.outcome, reverted.undone_by()) {
        (RevertOutcome::AlreadyUndone, Some(by)) => format!("{}; read back", plain(by)),
        (RevertOutcome::AlreadyUndone, None) => "already undone, and read back".to_owned(),
        (RevertOutcome::Restored | RevertOutcome::NothingToDo, _) => "undone and read back".to_owned(),
    }
}

/// Returns the entries of an effect in one line: `rows 1000, latency_ms.p50 1.2`.
pub fn effect(effect: &Effect) -> String {
    let mut words = Vec::new();
    for (key, value) in &effect.0 {
        push_entry(&mut words, key, value);
    }
    words.join(", ")
}

fn push_entry(words: &mut Vec<String>, path: &str, value: &Value) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                push_entry(words, &format!("{path}.{key}"), value);
            }
        }
        Value::String(text) => words.push(format!("{path} {}", plain(text))),
        Value::Number(number) => words.push(format!("{path} {}", number_words(number))),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| plain(&bare(value))).collect();
            words.push(format!("{path} {}", values.join(" ")));
        }
        Value::Null | Value::Bool(_) => words.push(format!("{path} {value}")),
    }
}

/// Text without its quotes, everything else as JSON writes it.
fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Nobody reads more than two digits behind the point, and none behind a large number.
fn number_words(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() && value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if number.is_f64() => {
            let text = format!("{value:.2}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Some(_) | None => number.to_string(),
    }
}

/// Returns text with control characters made visible, so that a name can neither break a line nor drive a terminal.
pub fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Turning the reading direction around is as good a disguise as a control character.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => safe.extend(character.escape_unicode()),
            character if character.is_control() => safe.extend(character.escape_default()),
            character => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_sequence_in_a_name_is_made_visible() {
        assert_eq!(plain("a\u{1b}[31m\nb\u{202e}c"), "a\\u{1b}[31m\\nb\\u{202e}c");
    }

    #[test]
    fn an_effect_is_one_line_with_paths() {
        let latency = serde_json::json!({"p50": 1.5, "p99": 0.0, "max": 90364.2});
        let columns = serde_json::json!(["name", "city"]);
        let made = Effect::default().with("rows", 3).with("columns", columns).with("latency_ms", latency);
        let words = "rows 3, columns name city, latency_ms.p50 1.5, latency_ms.p99 0, latency_ms.max 90364";
        assert_eq!(effect(&made), words);
    }

    #[test]
    fn the_target_is_said_to_have_undone_only_what_it_did() {
        let with = |notes: &[&str]| {
            let notes = notes.iter().map(|note| (*note).to_owned()).collect();
            undone(&Reverted { notes, ..Reverted::new(RevertOutcome::AlreadyUndone) })
        };
        assert_eq!(with(&[]), "already undone, and read back");
        assert_eq!(
            with(&["mtime moved on", "already undone by the target: its deadline had come"]),
            "already undone by the target: its deadline had come; read back"
        );
        assert_eq!(
            with(&["already undone by chaos, in an earlier attempt"]),
            "already undone by chaos, in an earlier attempt; read back"
        );
        assert_eq!(undone(&Reverted::new(RevertOutcome::Restored)), "undone and read back");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(duration(0), "0s");
        assert_eq!(duration(303_120), "5m 3s");
        assert_eq!(duration(1_500), "1s 500ms");
    }
}
