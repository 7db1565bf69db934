//! `db.config_change`: changes settings of the server, or of the file, that can be put back.

pub mod postgres;
pub mod sqlite;

use std::collections::HashSet;
use std::fmt;

use chaos_core::{FaultSpec, Misfit, Reversibility, Risk};
use schemars::JsonSchema;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize};

use super::on_database::DatabaseFault;

/// `db.config_change` on all kinds of database.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConfigChange;

impl DatabaseFault for ConfigChange {
    type Params = Params;
    type Postgres = postgres::ConfigChangePostgres;
    type Sqlite = sqlite::ConfigChangeSqlite;

    const SPEC: FaultSpec = FaultSpec {
        name: "db.config_change",
        target: "database",
        summary: "Changes settings, and puts back the old entry, or none where there was none",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };

    fn check(params: &Params) -> Result<(), Misfit> {
        params.changes.iter().enumerate().try_for_each(|(place, change)| {
            check(change).map_err(|(key, why)| Misfit::new(why).at("changes").item(place).at(key))
        })
    }
}

/// Refuses a change that no kind of database takes: says which key is wrong, and why.
fn check(change: &Change) -> Result<(), (&'static str, String)> {
    if change.value.as_str().contains('\n') {
        return Err(("value", "no setting takes a line break".to_owned()));
    }
    match (sqlite::Pragma::named(&change.param), postgres::never_changed(&change.param)) {
        // PostgreSQL has no setting that is called as one of these.
        (Ok(pragma), _) => {
            let unfit = |why| ("value", format!("`{pragma}` cannot be set to this: {why}"));
            pragma.value(change.value.as_str()).map(drop).map_err(unfit)
        }
        (Err(_), Some(reason)) => Err(("param", format!("this setting is never changed: {reason}"))),
        (Err(_), None) => Ok(()),
    }
}

/// Which settings to change, and to what.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The changes, at least one, each setting once. Example: `changes: [{param: work_mem, value: 4MB}]`.
    #[serde(deserialize_with = "changes")]
    #[schemars(length(min = 1))]
    pub changes: Vec<Change>,
}

/// One setting and its new value.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The name of the setting: `work_mem`; on SQLite a pragma that can be restored: `user_version`.
    pub param: String,
    /// The new value as the database writes it: `4MB`, `128`, `0.5`, `on`, `true`.
    pub value: SettingValue,
}

/// The value of a setting: written as text, number, or true/false, kept as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct SettingValue(#[schemars(with = "WrittenValue")] String);

/// The forms a value may be written in.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum WrittenValue {
    /// `4MB`
    Text(String),
    /// `0.5`
    Number(f64),
    /// `true`
    Bool(bool),
}

impl SettingValue {
    /// Returns the value as text; true and false are `on` and `off`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SettingValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl Visitor<'_> for ValueVisitor {
    type Value = SettingValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, or true or false")
    }

    fn visit_bool<E>(self, value: bool) -> Result<SettingValue, E> {
        Ok(SettingValue(if value { "on" } else { "off" }.to_owned()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<SettingValue, E> {
        Ok(SettingValue(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<SettingValue, E> {
        Ok(SettingValue(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<SettingValue, E> {
        Ok(SettingValue(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<SettingValue, E> {
        Ok(SettingValue(value.to_owned()))
    }
}

fn changes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Change>, D::Error> {
    let changes = Vec::<Change>::deserialize(deserializer)?;
    if changes.is_empty() {
        return Err(D::Error::custom("no changes; name at least one setting"));
    }
    let mut seen = HashSet::new();
    for change in &changes {
        if change.param.is_empty() {
            return Err(D::Error::custom("a setting without a name"));
        }
        if change.value.as_str().contains('\0') {
            return Err(D::Error::custom(format_args!("the value of `{}` holds a NUL", change.param)));
        }
        // Databases take the names of settings in any case, so two spellings are one setting.
        if !seen.insert(change.param.to_lowercase()) {
            return Err(D::Error::custom(format_args!("setting `{}` is changed twice", change.param)));
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(params: serde_json::Value) -> String {
        serde_json::from_value::<Params>(params).unwrap_err().to_string()
    }

    #[test]
    fn values_may_be_written_as_text_number_or_bool() {
        for (written, text) in [
            (json!("4MB"), "4MB"),
            (json!(128), "128"),
            (json!(-1), "-1"),
            (json!(0.5), "0.5"),
            (json!(true), "on"),
        ] {
            let value: SettingValue = serde_json::from_value(written).unwrap();
            assert_eq!(value.as_str(), text);
        }
    }

    #[test]
    fn changes_that_make_no_sense_are_refused() {
        assert!(refused(json!({})).contains("missing field `changes`"));
        assert!(refused(json!({"changes": []})).contains("at least one setting"));
        let twice =
            json!({"changes": [{"param": "work_mem", "value": 1}, {"param": "WORK_MEM", "value": 2}]});
        assert!(refused(twice).contains("`WORK_MEM` is changed twice"));
        let list = json!({"changes": [{"param": "work_mem", "value": [1]}]});
        assert!(refused(list).contains("expected text, a number, or true or false"));
        assert!(refused(json!({"changes": [{"param": "a", "value": 1, "unit": "kB"}]})).contains("`unit`"));
    }
}
