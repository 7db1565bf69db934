//! Takes secrets out of text before people see it: errors quote the lines around a mistake, and a password may be there.

use std::sync::LazyLock;

use regex::Regex;

use super::telling::is_telling;

/// What stands in place of a secret.
pub(super) const MASK: &str = "***";

/// What gives a secret away by itself: the password of a URL, and `password=…` in a URL or connection string.
static INLINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let url = r#"://[^\s"'/@:]*:(?<url>[^\s"']+)@"#;
    let parameter = r#"(?i:passw(?:or)?d|token|secret)=(?<parameter>[^\s"'&]+)"#;
    // The pattern is a constant that a test compiles; were it broken, everything would be masked.
    Regex::new(&format!("{url}|{parameter}")).ok()
});

/// A key with its colon, in any text.
static KEY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?m)(?<name>[\w.-]+)["']?[ \t]*:(?:[ \t]|\r?$)"#).ok());

/// The password of a URL in one value, whatever characters it is made of.
static URL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)://[^/@]*?:(?<url>.+)@").ok());

/// Text without its secrets, and where each place of the original went.
pub(super) struct Masked {
    /// The text.
    pub text: String,
    /// Start and end of each secret in the original.
    secrets: Vec<(usize, usize)>,
}

impl Masked {
    /// Masks every secret of `text` that shows by itself, and the places that are `known` to be one.
    pub fn new(text: &str, known: &[(usize, usize)]) -> Self {
        let mut found = find(text);
        // One inside of another must not be taken apart again.
        found.extend(merged(known.to_vec()).into_iter().flat_map(|place| lines(text, place)));
        let secrets = merged(found);
        let mut masked = String::with_capacity(text.len());
        let mut from = 0;
        for (start, end) in &secrets {
            masked.push_str(&text[from..*start]);
            masked.push_str(MASK);
            from = *end;
        }
        masked.push_str(&text[from..]);
        Self { text: masked, secrets }
    }

    /// Returns whether the byte at `offset` of the original is part of a secret.
    pub fn holds(&self, offset: usize) -> bool {
        let next = self.secrets.partition_point(|(start, _)| *start <= offset);
        next > 0 && offset < self.secrets[next - 1].1
    }

    /// Returns where the byte at `offset` of the original stands now.
    pub fn offset(&self, offset: usize) -> usize {
        let mut moved = offset;
        for (start, end) in &self.secrets {
            if offset >= *end {
                moved = moved + MASK.len() - (end - start);
            } else if offset > *start {
                moved -= offset - start;
            }
        }
        moved
    }
}

/// Returns `text` without its secrets.
pub fn mask(text: &str) -> String {
    Masked::new(text, &[]).text
}

/// Returns whether the value `text`, written as `raw`, is a URL with a password that [`Masked`] would not find in `raw`.
pub(super) fn is_hidden_url(text: &str, raw: &str) -> bool {
    let Some(url) = &*URL else { return true };
    let password = url.captures(text).and_then(|found| found.name("url"));
    let is_secret = password.is_some_and(|password| !is_reference(password.as_str()));
    is_secret && (!raw.contains(text) || find(raw).is_empty())
}

fn find(text: &str) -> Vec<(usize, usize)> {
    let (Some(inline), Some(key)) = (&*INLINE, &*KEY) else { return vec![(0, text.len())] };
    let places = inline.captures_iter(text).filter_map(|found| {
        let secret = found.name("url").or_else(|| found.name("parameter"))?;
        Some((secret.start(), secret.as_str()))
    });
    let mut secrets: Vec<_> = places
        .filter(|(_, secret)| !is_reference(secret))
        .map(|(start, secret)| (start, start + secret.trim_end().len()))
        .collect();
    // Once for all keys: the whole text may be one line.
    let breaks: Vec<usize> = text.match_indices('\n').map(|(place, _)| place).collect();
    let mut from = 0;
    for found in key.captures_iter(text) {
        let (Some(whole), Some(name)) = (found.get(0), found.name("name")) else { continue };
        // Inside of a value that is masked already there is nothing more to find.
        if whole.start() >= from && is_telling(name.as_str()) {
            let end = whole.as_str().rfind(':').map_or(whole.end(), |colon| whole.start() + colon + 1);
            let value = value(text, &breaks, name.start(), end);
            from = value.1.max(from);
            secrets.extend(lines(text, value));
        }
    }
    secrets
}

/// Returns the value of the key at `key`, whose colon ends at `from`: what is in quotes, or the line and every line that
/// belongs to it by its indentation. This must do with text that is no YAML.
fn value(text: &str, breaks: &[usize], key: usize, from: usize) -> (usize, usize) {
    let rest = &text[from..];
    let start = from + rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let next = breaks.partition_point(|place| *place < start);
    let line_end = breaks.get(next).copied().unwrap_or(text.len());
    let line_start = if next == 0 { 0 } else { breaks[next - 1] + 1 };
    let comment = text[line_start..key].trim_start().starts_with('#');
    let first = &text[start..line_end];
    let mut closed = start;
    if let Some(quote @ ('"' | '\'')) = first.chars().next() {
        let inside = start + 1;
        match text[inside..].find(quote).map(|end| inside + end) {
            Some(end) if end < line_end => return quoted(text, inside, end, line_end),
            // Over several lines, and their indentation need not be right.
            Some(end) => closed = end,
            None => {}
        }
    }
    if is_reference(first.trim_end()) {
        return (start, start);
    }
    let lead = text[line_start..key].trim_end_matches(['"', '\'']);
    let indent = match lead.trim_start_matches([' ', '-', '?']).is_empty() {
        true => lead.len(),
        false => lead.len() - lead.trim_start_matches([' ', '-', '?']).len(),
    };
    if comment {
        return (start, line_end);
    }
    (start, closed.max(block_end(text, line_end, indent, first.trim().is_empty())))
}

/// Returns the value from `inside` its quotes to the one at `end`, all in one line.
fn quoted(text: &str, inside: usize, end: usize, line_end: usize) -> (usize, usize) {
    if is_reference(&text[inside..end]) {
        return (inside, inside);
    }
    // An escaped or doubled quote does not end it, so what follows in the line may still be of it.
    let quote = text[..inside].chars().next_back();
    let is_over = !text[..end].ends_with('\\') && text[end + 1..].chars().next() != quote;
    (inside, if is_over { end } else { line_end })
}

/// Returns where the lines end that are indented deeper than `indent`. A list may stand at the very indentation of its key.
fn block_end(text: &str, line_end: usize, indent: usize, may_be_list: bool) -> usize {
    let mut end = line_end;
    let mut place = text[line_end..].find('\n').map_or(text.len(), |_| line_end + 1);
    for line in text[place..].split_inclusive('\n') {
        let content = line.trim_start_matches([' ', '\t']);
        let depth = line.len() - content.len();
        let is_item = may_be_list && depth == indent && content.starts_with("- ");
        if !content.trim().is_empty() && depth <= indent && !is_item {
            break;
        }
        place += line.len();
        end = place;
    }
    end
}

/// Takes a place apart into its lines, without their indentation: an excerpt keeps its lines.
fn lines(text: &str, (start, end): (usize, usize)) -> Vec<(usize, usize)> {
    let mut place = start;
    let mut parts = Vec::new();
    for line in text[start..end].split_inclusive('\n') {
        let content = line.trim_start();
        let from = place + line.len() - content.len();
        let content = content.trim_end();
        if !content.is_empty() {
            parts.push((from, from + content.len()));
        }
        place += line.len();
    }
    parts
}

/// Puts places in order, and makes one of those that overlap.
fn merged(mut places: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    places.sort_unstable();
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (start, end) in places {
        match merged.last_mut() {
            Some((_, last)) if start < *last => *last = end.max(*last),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// Returns whether `text` is nothing but a reference, which is no secret and may be shown.
pub(super) fn is_reference(text: &str) -> bool {
    let inside = text.strip_prefix("${").and_then(|rest| rest.trim_end().strip_suffix('}'));
    // `${VAR:-default}` holds its default in clear.
    inside.is_some_and(|name| !name.contains(":-") && !name.contains('}')) || text.starts_with("file:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(mask(text), expected);
    }

    #[test]
    fn the_password_of_a_url_is_masked() {
        check("url: \"postgres://me:pass@db:5432/x\"", "url: \"postgres://me:***@db:5432/x\"");
        check("postgres://me:p@ss/w:rd@db/x", "postgres://me:***@db/x");
        check("postgres://me@db:5432/x", "postgres://me@db:5432/x");
        check("postgres://db/x?user=me&password=hunter2&a=b", "postgres://db/x?user=me&password=***&a=b");
    }

    #[test]
    fn the_value_of_a_telling_key_is_masked() {
        check("  password: hunter2 and more  # why\n", "  password: ***\n");
        check("api_key: 'sk-12'\nnext: 1", "api_key: '***'\nnext: 1");
        check("{\"token\": \"a\", \"b\": 1}", "{\"token\": \"***\", \"b\": 1}");
        check("max_tokens: 4096", "max_tokens: 4096");
    }

    #[test]
    fn a_reference_stays_but_its_default_does_not() {
        check("password: ${PW}", "password: ${PW}");
        check("password: file:/run/secrets/pw", "password: file:/run/secrets/pw");
        check("postgres://me:${PW}@db/x", "postgres://me:${PW}@db/x");
        check("postgres://me:${PW:-hunter2}@db/x", "postgres://me:***@db/x");
    }

    #[test]
    fn places_behind_a_secret_move_with_the_text() {
        let text = "a: x://u:longsecret@h\nkey: 1\n";
        let masked = Masked::new(text, &[]);
        let place = text.find("key").unwrap();
        assert_eq!(masked.offset(place), masked.text.find("key").unwrap());
        assert_eq!(masked.offset(0), 0);
        // A place inside the secret becomes its start.
        let inside = text.find("secret").unwrap();
        assert_eq!(masked.offset(inside), masked.text.find("***").unwrap());
    }
}
