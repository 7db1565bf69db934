//! Takes secrets out of text before people see it: errors quote the lines around a mistake, and a password may be there.

use std::sync::LazyLock;

use regex::Regex;

/// What stands in place of a secret.
const MASK: &str = "***";

/// What gives a secret away, the secret itself being the group `secret`:
/// the password of a URL, `password=…` in a URL or connection string, and the value of a key with a telling name.
/// References (`${VAR}`, `file:`) are no secrets and stay.
static SECRETS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let url = r#"://[^\s"'/@:]*:(?<url>[^\s"']+)@"#;
    let parameter = r#"(?i:passw(?:or)?d|token|secret)=(?<parameter>[^\s"'&]+)"#;
    let key = r#"(?i:\w*(?:passw(?:or)?d|passphrase|secret|token|api_?key)["']?)\s*:[ \t]+["']?(?<key>[^\s"'#{\[][^\r\n"']*)"#;
    // The pattern is a constant that a test compiles; were it broken, everything would be masked.
    Regex::new(&format!("{url}|{parameter}|{key}")).ok()
});

/// Text without its secrets, and where each place of the original went.
pub(super) struct Masked {
    /// The text.
    pub text: String,
    /// Start and end of each secret in the original.
    secrets: Vec<(usize, usize)>,
}

impl Masked {
    /// Masks every secret of `text`.
    pub fn new(text: &str) -> Self {
        let secrets = find(text);
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
    Masked::new(text).text
}

fn find(text: &str) -> Vec<(usize, usize)> {
    let Some(secrets) = &*SECRETS else { return vec![(0, text.len())] };
    let places = secrets.captures_iter(text).filter_map(|found| {
        let secret = found.name("url").or_else(|| found.name("parameter")).or_else(|| found.name("key"))?;
        Some((secret.start(), secret.as_str()))
    });
    places
        .filter(|(_, secret)| !is_reference(secret))
        .map(|(start, secret)| (start, start + secret.trim_end().len()))
        .collect()
}

fn is_reference(text: &str) -> bool {
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
        let masked = Masked::new(text);
        let place = text.find("key").unwrap();
        assert_eq!(masked.offset(place), masked.text.find("key").unwrap());
        assert_eq!(masked.offset(0), 0);
        // A place inside the secret becomes its start.
        let inside = text.find("secret").unwrap();
        assert_eq!(masked.offset(inside), masked.text.find("***").unwrap());
    }
}
