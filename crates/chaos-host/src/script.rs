//! Shell text of ours with values of others.

use std::fmt::Write as _;

/// Functions that every script may use.
const PRELUDE: &str = include_str!("prelude.sh");

/// A POSIX shell script: our text, which is constant, after values of others, which are quoted.
///
/// The text sees a value set with [`Script::set`] as a variable, and those of [`Script::args`] as `"$@"`. It may use what
/// `prelude.sh` defines.
#[derive(Debug, Clone)]
pub struct Script {
    values: String,
    text: String,
}

impl Script {
    /// Starts from text of ours. The type keeps out everything that was put together while the program runs.
    pub fn new(text: &'static str) -> Self {
        Self { values: String::new(), text: text.to_owned() }
    }

    /// Sets the variable `name` before the text.
    ///
    /// # Panics
    /// When `name` is not a name of a shell variable: names are constants of ours.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
        assert!(name.chars().all(is_name), "a variable of a script is lower case: `{name}`");
        // Writing to a text cannot fail.
        let _ = writeln!(self.values, "{name}={}", quote(value.as_ref()));
        self
    }

    /// Sets the positional parameters before the text.
    #[must_use]
    pub fn args<T: AsRef<str>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.values.push_str("set --");
        for value in values {
            self.values.push(' ');
            self.values.push_str(&quote(value.as_ref()));
        }
        self.values.push('\n');
        self
    }

    /// Appends another script with its values; variables of the same name are set anew before it.
    #[must_use]
    pub fn then(mut self, next: &Self) -> Self {
        self.text.push('\n');
        self.text.push_str(&next.values);
        self.text.push_str(&next.text);
        self
    }

    /// Puts text of ours that was made from scripts in front, as functions.
    #[must_use]
    pub(crate) fn with_function(mut self, function: &str) -> Self {
        self.values.push_str(function);
        self
    }

    /// Returns values and text, without the prelude, as the body of a function.
    pub fn body(&self) -> String {
        format!("{}{}\n", self.values, self.text)
    }

    /// Returns the prelude.
    pub fn prelude() -> &'static str {
        PRELUDE
    }
}

/// Quotes a value for `/bin/sh`. Everything between single quotes is itself there, but for the single quote.
///
/// A zero byte cannot be in any argument, path or variable of a system; it is left out.
pub fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('\'');
    for c in value.chars() {
        match c {
            '\'' => quoted.push_str("'\\''"),
            '\0' => {}
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_before_the_text_and_are_quoted() {
        let script = Script::new("printf %s \"$path\" \"$@\"").set("path", "it's; $(x)").args(["-a", "b\nc"]);
        assert_eq!(script.body(), "path='it'\\''s; $(x)'\nset -- '-a' 'b\nc'\nprintf %s \"$path\" \"$@\"\n");
    }

    #[test]
    #[should_panic(expected = "lower case")]
    fn a_name_of_a_variable_is_a_constant_of_ours() {
        let _ = Script::new("").set("PATH", "");
    }
}
