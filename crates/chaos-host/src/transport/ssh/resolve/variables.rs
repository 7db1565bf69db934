//! Variables of the environment that the user's SSH configuration names.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Answers for variables, and remembers which were asked for.
pub(super) struct Variables<'a> {
    /// Those of another process, which go before ours.
    given: &'a BTreeMap<String, String>,
    used: RefCell<BTreeMap<String, String>>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(given: &'a BTreeMap<String, String>) -> Self {
        Self { given, used: RefCell::default() }
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = self.given.get(name).cloned().or_else(|| std::env::var(name).ok())?;
        self.used.borrow_mut().insert(name.to_owned(), value.clone());
        Some(value)
    }

    /// Returns those that were asked for and are set.
    pub(super) fn used(self) -> BTreeMap<String, String> {
        self.used.into_inner()
    }
}
