//! What looks like production.

use chaos_core::{NameKind, TargetName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pattern::NamePattern;

/// What counts as production, and what of it may be touched all the same.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Production {
    /// The words that give production away when they are a part of the name of a host, database, schema, service, path or
    /// container: `shop-prod-2` has the parts `shop`, `prod` and `2`, but `reproduction` is one part and another word. Default: `prod`, `production`, `live`, `prd`.
    pub words: Vec<String>,
    /// Names that may be touched although they look like production, as patterns: `shop_live_copy`, `host:prod-canary-*`.
    /// Default: none.
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<NamePattern>,
}

impl Default for Production {
    fn default() -> Self {
        let words = ["prod", "production", "live", "prd"];
        Self { words: words.map(str::to_owned).to_vec(), allow: Vec::new() }
    }
}

impl Production {
    /// Returns the word that gives `name` away as production, unless the name is allowed.
    pub fn word_in(&self, name: &TargetName) -> Option<&str> {
        match name.kind {
            NameKind::Host
            | NameKind::Database
            | NameKind::Schema
            | NameKind::Service
            | NameKind::Path
            | NameKind::Container => {}
            // A table `live_orders` says nothing about where it lives.
            NameKind::Table | NameKind::Setting | NameKind::Process | NameKind::Network => return None,
        }
        if self.allow.iter().any(|pattern| pattern.matches(name)) {
            return None;
        }
        let parts = parts(&name.name);
        self.words.iter().find(|word| parts.contains(&word.to_lowercase())).map(String::as_str)
    }
}

/// Takes a name apart where people hear a new word: at everything that is neither letter nor digit, between letters and
/// digits, and at the capitals of `ShopProd`.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut last = ' ';
    for c in name.chars() {
        let new_word =
            (last.is_lowercase() && c.is_uppercase()) || (last.is_alphabetic() != c.is_alphabetic());
        if new_word && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(part) = parts.last_mut()
        {
            part.extend(c.to_lowercase());
        }
        last = c;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let name = TargetName::new(NameKind::Database, name);
        assert_eq!(Production::default().word_in(&name), expected, "{}", name.name);
    }

    #[test]
    fn a_word_of_its_own_gives_production_away() {
        check("prod", Some("prod"));
        check("shop-PROD-2", Some("prod"));
        check("prod01", Some("prod"));
        check("ShopProd", Some("prod"));
        check("db.live.example.com", Some("live"));
        check("/srv/production/shop.db", Some("production"));
        check("eu_prd", Some("prd"));
    }

    #[test]
    fn a_part_of_another_word_does_not() {
        for name in ["reproduction_db", "delivery", "products", "olive", "alive2", "productions", "shop"] {
            check(name, None);
        }
    }

    #[test]
    fn tables_and_settings_do_not_say_where_they_live() {
        let table = TargetName::new(NameKind::Table, "public.live_orders");
        assert_eq!(Production::default().word_in(&table), None);
    }

    #[test]
    fn an_allowed_name_is_no_production_but_another_one_still_is() {
        let allow = vec![NamePattern::new("host:prod-canary-*").unwrap()];
        let production = Production { allow, ..Production::default() };
        let host = |name| TargetName::new(NameKind::Host, name);
        assert_eq!(production.word_in(&host("prod-canary-7")), None);
        assert_eq!(production.word_in(&host("prod-7")), Some("prod"));
    }
}
