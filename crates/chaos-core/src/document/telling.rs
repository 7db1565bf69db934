//! Keys whose value is a secret, told by their name. Loosely, because a misspelt key is just what an error is about.

/// Words that give a secret away wherever they stand in a key.
const PARTS: [&str; 10] = [
    "pass",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "privatekey",
    "accesskey",
    "secretkey",
    "bearer",
];

/// Words that give a secret away when they are a word of their own: `ssh_key`, but not `keyspace`.
const WORDS: [&str; 4] = ["key", "keys", "pw", "auth_key"];

/// Words that are also known when they are misspelt anywhere in a key: `becomepasword`. With their thirds: two mistakes leave
/// one of these as it is, so most keys need no comparison.
const LONG: [(&str, [&str; 3]); 3] = [
    ("password", ["pas", "swo", "rd"]),
    ("passphrase", ["pas", "sphr", "ase"]),
    ("credential", ["cre", "den", "tial"]),
];

/// Words that are also known when they are misspelt, as a word of their own, and with how many mistakes. Short ones are
/// too much like words that hide nothing.
const MISSPELT: [(&str, usize); 7] = [
    ("password", MISTAKES_MAX),
    ("passphrase", MISTAKES_MAX),
    ("passwd", 1),
    ("secret", MISTAKES_MAX),
    ("apikey", MISTAKES_MAX),
    ("privatekey", MISTAKES_MAX),
    ("token", 1),
];

/// How many letters may be wrong, missing or too many.
const MISTAKES_MAX: usize = 2;

/// Names that sound like secrets and are none.
const PLAIN: [&str; 5] = ["max_tokens", "host_key", "primary_key", "foreign_key", "foreign_keys"];

/// Ends of names whose value only says where a secret is.
const PLACES: [&str; 4] = ["_path", "_file", "_env", "_dir"];

/// How long a key is compared with misspelt words. Nobody's key is longer, and each letter costs a comparison.
const COMPARED_MAX: usize = 64;

/// Returns whether the value of `key` is a secret, as far as its name tells.
pub(super) fn is_telling(key: &str) -> bool {
    let lower = key.to_lowercase();
    if PLAIN.contains(&&*lower) || PLACES.iter().any(|end| lower.ends_with(end)) {
        return false;
    }
    let joined: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    if PARTS.iter().any(|part| joined.contains(part)) {
        return true;
    }
    let short: String = joined.chars().take(COMPARED_MAX).collect();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() <= COMPARED_MAX);
    let mut words = words.chain([short.as_str()]);
    words.any(|word| WORDS.contains(&word) || is_misspelt(word))
        || LONG.iter().any(|(long, thirds)| {
            thirds.iter().any(|third| short.contains(third)) && mistakes_within(&short, long) <= MISTAKES_MAX
        })
}

fn is_misspelt(word: &str) -> bool {
    MISSPELT.iter().any(|(secret, mistakes)| {
        // Each letter more or less is a mistake; this spares most comparisons.
        word.len().abs_diff(secret.len()) <= *mistakes * char::MAX.len_utf8()
            && strsim::osa_distance(word, secret) <= *mistakes
    })
}

/// Returns how many letters must change so that `word` stands somewhere in `text`.
fn mistakes_within(text: &str, word: &str) -> usize {
    let text: Vec<char> = text.chars().collect();
    // It may begin anywhere at no cost, and end anywhere: that is all the difference to a distance of whole words.
    let mut row = vec![0; text.len() + 1];
    for wanted in word.chars() {
        let mut next = vec![row[0] + 1];
        for (place, found) in text.iter().enumerate() {
            let changed = row[place] + usize::from(*found != wanted);
            next.push(changed.min(row[place + 1] + 1).min(next[place] + 1));
        }
        row = next;
    }
    row.into_iter().min().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_even_misspelt() {
        for key in [
            "password",
            "become_password",
            "become_pasword",
            "becomepasword",
            "passwrod",
            "pwd",
            "PGPASSWORD",
            "passphrase",
            "pasphrase",
            "secret",
            "sercet",
            "client_secrte",
            "token",
            "api_tokn",
            "api_key",
            "api-kye",
            "apiKey",
            "ssh_key",
            "credentials",
            "private_key",
            "pw",
            "pass",
            "psswd",
        ] {
            assert!(is_telling(key), "{key}");
        }
    }

    #[test]
    fn names_of_other_things_are_not() {
        for key in [
            "max_tokens",
            "host_key",
            "private_key_path",
            "primary_key",
            "paths",
            "port",
            "parallel",
            "params",
            "server",
            "host",
            "hosts",
            "name",
            "username",
            "user",
            "target_config",
            "connection_url",
            "skills",
            "skill_name",
            "workers",
            "duration",
            "tables",
            "rows_per_table",
            "resource_filters",
            "on",
            "open",
            "become",
            "auth",
            "services",
            "exclude_services",
            "percent",
            "experiments",
            "target",
            "paused",
            "sector",
            "words",
            "keyspace",
            "",
        ] {
            assert!(!is_telling(key), "{key}");
        }
    }
}
