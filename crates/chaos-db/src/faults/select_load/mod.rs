//! `db.select_load`: a concurrent load of reading queries drawn from the schema.

mod measure;
pub mod postgres;
pub mod query;
pub mod sqlite;

use std::num::NonZeroU32;
use std::time::Duration;

use chaos_core::{FaultSpec, Misfit, Reversibility, Risk};
use schemars::JsonSchema;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::on_database::{DatabaseFault, check_names};

/// The most connections one load may open. More than that is a test of `max_connections`, which is another fault.
pub const CONNECTIONS_MAX: u32 = 100;

/// The longest a single query of a load may be allowed to run.
pub const STATEMENT_TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// `db.select_load` on all kinds of database.
#[derive(Debug, Clone, Copy, Default)]
pub struct SelectLoad;

impl DatabaseFault for SelectLoad {
    type Params = Params;
    type Postgres = postgres::SelectLoadPostgres;
    type Sqlite = sqlite::SelectLoadSqlite;

    const SPEC: FaultSpec = FaultSpec {
        name: "db.select_load",
        target: "database",
        summary: "Runs a concurrent load of index, scan, join and sort queries; reads only",
        risk: Risk::Low,
        reversibility: Reversibility::Harmless,
    };

    fn check(params: &Params) -> Result<(), Misfit> {
        check_names("tables", &params.tables)
    }
}

/// What to read, how often and how fast.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How many queries to run in all. The load ends with the hold, whether or not all of them have run; the report says
    /// how many did. Default: 500. Example: `query_count: 20000`.
    #[serde(default = "default_query_count")]
    pub query_count: NonZeroU32,
    /// The tables to read, as `table` or `schema.table`. Default: up to ten of those that the experiment may touch.
    #[serde(default)]
    pub tables: Vec<String>,
    /// How many connections run queries side by side, 1 to 100. Default: 4.
    #[serde(default = "default_connections", deserialize_with = "connections")]
    #[schemars(range(min = 1, max = CONNECTIONS_MAX))]
    pub connections: u32,
    /// The most queries a second, over all connections. Default: as fast as the database answers. Example: `rate: 50`.
    #[serde(default, deserialize_with = "rate")]
    #[schemars(range(min = 0.001, max = 1_000_000.0))]
    pub rate: Option<f64>,
    /// How long one query may run before the database ends it and it counts as failed, up to `10m`. Default: `10s`.
    #[serde(default = "default_statement_timeout", with = "timeout")]
    #[schemars(with = "String")]
    pub statement_timeout: Duration,
}

fn default_query_count() -> NonZeroU32 {
    const { NonZeroU32::new(500).unwrap() }
}

fn default_connections() -> u32 {
    4
}

fn default_statement_timeout() -> Duration {
    Duration::from_secs(10)
}

fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let connections = u32::deserialize(deserializer)?;
    if (1..=CONNECTIONS_MAX).contains(&connections) {
        Ok(connections)
    } else {
        Err(D::Error::custom(format_args!("`{connections}` connections; it must be 1 to {CONNECTIONS_MAX}")))
    }
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let Some(rate) = Option::<f64>::deserialize(deserializer)? else { return Ok(None) };
    if (0.001..=1_000_000.0).contains(&rate) {
        Ok(Some(rate))
    } else {
        Err(D::Error::custom(format_args!("`{rate}` queries a second; it must be 0.001 to 1000000")))
    }
}

/// A duration as people write it: `500ms`, `10s`, `1m 30s`.
mod timeout {
    use std::time::Duration;

    use jiff::SignedDuration;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::STATEMENT_TIMEOUT_MAX;

    /// Writes milliseconds.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}ms", duration.as_millis()))
    }

    /// Reads any unit, within the bounds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = text.parse::<SignedDuration>().map_err(|error| {
            D::Error::custom(format_args!("`{text}` is not a duration like `10s` or `500ms`: {error}"))
        })?;
        match Duration::try_from(duration) {
            Ok(duration) if duration >= Duration::from_millis(1) && duration <= STATEMENT_TIMEOUT_MAX => {
                Ok(duration)
            }
            _ => Err(D::Error::custom(format_args!("`{text}` is out of range; it must be `1ms` to `10m`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(params: serde_json::Value) -> String {
        serde_json::from_value::<Params>(params).unwrap_err().to_string()
    }

    #[test]
    fn no_params_are_the_documented_defaults() {
        let params: Params = serde_json::from_value(json!({})).unwrap();
        assert_eq!(params.query_count.get(), 500);
        assert_eq!(params.connections, 4);
        assert_eq!(params.rate, None);
        assert_eq!(params.statement_timeout, Duration::from_secs(10));
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        assert!(refused(json!({"connections": 0})).contains("it must be 1 to 100"));
        assert!(refused(json!({"connections": 101})).contains("it must be 1 to 100"));
        assert!(refused(json!({"rate": 0})).contains("0.001 to 1000000"));
        assert!(refused(json!({"rate": -3.5})).contains("0.001 to 1000000"));
        assert!(refused(json!({"query_count": 0})).contains("nonzero"));
        assert!(refused(json!({"statement_timeout": "0s"})).contains("`1ms` to `10m`"));
        assert!(refused(json!({"statement_timeout": "11m"})).contains("`1ms` to `10m`"));
        assert!(refused(json!({"statement_timeout": "-5s"})).contains("`1ms` to `10m`"));
        assert!(refused(json!({"statement_timeout": "soon"})).contains("not a duration"));
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(refused(json!({"querycount": 5})).contains("unknown field `querycount`"));
    }
}
