//! `%h` and its like in values of an SSH configuration.

use chaos_core::Failure;

use super::variables::Variables;
use crate::error::HostError;
use crate::transport::ssh::home;

/// What stands for what.
pub(super) struct Tokens<'a> {
    values: Vec<(char, String)>,
    asked: &'a str,
    variables: &'a Variables<'a>,
}

impl<'a> Tokens<'a> {
    /// Returns those of `HostName`.
    pub(super) fn of_host(asked: &'a str, variables: &'a Variables<'a>) -> Self {
        Self { values: vec![('h', asked.to_owned()), ('%', "%".to_owned())], asked, variables }
    }

    /// Returns those of paths.
    pub(super) fn new(
        asked: &'a str,
        host: &str,
        port: u16,
        user: &str,
        variables: &'a Variables<'a>,
    ) -> Self {
        let home = home::dir().map(|home| home.display().to_string()).unwrap_or_default();
        let values = vec![
            ('%', "%".to_owned()),
            ('d', home),
            ('h', host.to_owned()),
            ('i', nix::unistd::getuid().to_string()),
            ('n', asked.to_owned()),
            ('p', port.to_string()),
            ('r', user.to_owned()),
            ('u', home::user().unwrap_or_default()),
        ];
        Self { values, asked, variables }
    }

    /// Puts the values in, and those of variables of the environment: `${NAME}`.
    pub(super) fn fill(&self, text: &str) -> Result<String, HostError> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            let (value, length) = match rest.strip_prefix("${").and_then(|rest| rest.split_once('}')) {
                Some((name, _)) => (self.variable(text, name)?, name.len() + 3),
                None if rest.starts_with('$') => ("$".to_owned(), 1),
                None => self.token(text, &rest[1..])?,
            };
            filled.push_str(&value);
            rest = &rest[length..];
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn token(&self, text: &str, after: &str) -> Result<(String, usize), HostError> {
        let token = after.chars().next();
        let value = self.values.iter().find(|(name, _)| Some(*name) == token);
        let (name, value) = value.ok_or_else(|| {
            let shown = token.map(String::from).unwrap_or_default();
            self.unknown(text, &format!("`%{shown}` is not understood there"))
        })?;
        Ok((value.clone(), 1 + name.len_utf8()))
    }

    fn variable(&self, text: &str, name: &str) -> Result<String, HostError> {
        self.variables
            .get(name)
            .ok_or_else(|| self.unknown(text, &format!("the variable `{name}` is not set")))
    }

    fn unknown(&self, text: &str, why: &str) -> HostError {
        let what = format!("follow `{text}` in the SSH configuration of `{}`", self.asked);
        HostError::Refused(Failure::new(what).source(why.to_owned()))
    }
}
