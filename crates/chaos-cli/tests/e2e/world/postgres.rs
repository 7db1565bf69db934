//! A plain session with a PostgreSQL server, from outside of what is tested.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// One connection. Everything comes back as text, which is all that comparing needs.
pub struct Session {
    runtime: Runtime,
    client: Client,
}

impl Session {
    /// Connects.
    pub fn open(url: &str) -> Self {
        Self::try_open(url).unwrap_or_else(|error| panic!("cannot connect to {url}: {error}"))
    }

    /// Connects, or says why not.
    pub fn try_open(url: &str) -> Result<Self, String> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut config: tokio_postgres::Config = url.parse().map_err(|error| format!("{error}"))?;
        config.connect_timeout(Duration::from_secs(5)).application_name("e2e test");
        let (client, connection) =
            runtime.block_on(config.connect(NoTls)).map_err(|error| format!("{error:?}"))?;
        runtime.spawn(connection);
        Ok(Self { runtime, client })
    }

    /// Runs one or more statements.
    pub fn execute(&self, sql: &str) {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"));
    }

    /// Runs one or more statements, or says why not.
    pub fn try_execute(&self, sql: &str) -> Result<(), String> {
        self.runtime.block_on(self.client.batch_execute(sql)).map_err(|error| describe(&error))
    }

    /// Returns the rows of a query, columns joined by `|`, NULL as `∅`.
    pub fn rows(&self, sql: &str) -> Vec<String> {
        let messages = self
            .runtime
            .block_on(self.client.simple_query(sql))
            .unwrap_or_else(|error| panic!("{}\nin: {sql}", describe(&error)));
        messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    let cells: Vec<&str> =
                        (0..row.len()).map(|column| row.get(column).unwrap_or("∅")).collect();
                    Some(cells.join("|"))
                }
                _ => None,
            })
            .collect()
    }

    /// Returns the one value of a query.
    pub fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "one row expected from: {sql}");
        rows.into_iter().next().unwrap()
    }

    /// Returns the one number of a query.
    pub fn number(&self, sql: &str) -> i64 {
        self.value(sql).parse().unwrap_or_else(|_| panic!("a number expected from: {sql}"))
    }
}

fn describe(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| format!("{error:?}"), |error| error.message().to_owned())
}
