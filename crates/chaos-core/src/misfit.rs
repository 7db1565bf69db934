//! What is wrong with what a person wrote, where its types cannot say it.

use serde_json::Value;

use crate::document::Segment;
use crate::error::{Failure, FaultError};

/// So many characters of a wrong value are shown.
const FOUND_MAX: usize = 100;

/// What is wrong with a configuration or with parameters, where their types cannot say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Where, below `target_config` or `params`; nothing stands for the whole.
    pub path: Vec<Segment>,
    /// What is wrong, as a statement: `` `workers` must be at least 1 ``. What was found there is added by who tells it.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Misfit {
    /// Says what is wrong with the whole.
    pub fn new(why: impl Into<String>) -> Self {
        Self { path: Vec::new(), why: why.into(), hint: None }
    }

    /// Says that it is the value of this key.
    #[must_use]
    pub fn at(mut self, key: &str) -> Self {
        self.path.push(Segment::Key(key.to_owned()));
        self
    }

    /// Says which item of a list it is, from 0.
    #[must_use]
    pub fn item(mut self, index: usize) -> Self {
        self.path.push(Segment::Index(index));
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns what is wrong, and what to do about it.
    pub fn in_words(&self) -> String {
        let hint = self.hint.iter().map(|hint| format!("; {hint}")).collect::<String>();
        format!("{}{hint}", self.why)
    }

    /// Returns the text or the number in `value` that does not fit.
    pub fn found_in(&self, value: &Value) -> Option<String> {
        let value = self.path.iter().try_fold(value, |value, segment| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => value.get(index),
        })?;
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Returns what is wrong, and what was found there, as it was written.
    pub fn told(&self, found: Option<&str>) -> String {
        match found {
            Some("") => format!("{}, found nothing", self.why),
            Some(found) => {
                let shown: String = found.chars().take(FOUND_MAX).flat_map(visible).collect();
                let rest = if found.chars().count() > FOUND_MAX { "…" } else { "" };
                format!("{}, found `{shown}{rest}`", self.why)
            }
            None => self.why.clone(),
        }
    }
}

impl From<Misfit> for FaultError {
    fn from(misfit: Misfit) -> Self {
        let failure = Failure::new("use these parameters").source(misfit.why);
        Self::Params(Failure { hint: misfit.hint, ..failure })
    }
}

/// Returns a character as a line can show it.
fn visible(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}
