//! A session that looks at everything in a PostgreSQL database that a fault may change or leave.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::fmt::Write;
use std::time::Duration;

use chaos_db::postgres::{PgSession, PgTarget};

/// How long the sessions of a dead one may take to be gone: the server closes them one after the other.
const GONE_MAX: Duration = Duration::from_secs(15);
/// How often we look.
const POLL: Duration = Duration::from_millis(20);

/// The tables with rows of their own, with their names quoted.
const TABLES: &str = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1";

/// The sessions of others on this database.
const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()";

/// Looks at one database, from a session of its own.
pub struct Observer(PgSession);

impl Observer {
    pub async fn on(target: &PgTarget) -> Self {
        Self(target.session().await.unwrap())
    }

    /// Waits for the sessions of others to end, and looks. One that stays is part of what is seen.
    pub async fn look(&self) -> String {
        let started = tokio::time::Instant::now();
        while self.column(OTHERS).await != ["0"] && started.elapsed() < GONE_MAX {
            tokio::time::sleep(POLL).await;
        }
        self.look_now().await
    }

    /// Returns the catalogue, a checksum of the rows of each table, sessions and locks. Sequences are not part of it: they
    /// only ever move on.
    pub async fn look_now(&self) -> String {
        let mut text = String::new();
        for line in self.column(include_str!("snapshot.sql")).await {
            writeln!(text, "{line}").unwrap();
        }
        let tables = self.column(TABLES).await;
        let sums = tables.iter().map(|table| {
            let rows = "md5(string_agg(t::text, chr(10) ORDER BY t::text))";
            format!("SELECT concat_ws(' ', 'rows', $chaos${table}$chaos$, count(*), {rows}) FROM {table} t")
        });
        let sums: Vec<String> = sums.collect();
        if !sums.is_empty() {
            for line in self.column(&sums.join(" UNION ALL ")).await {
                writeln!(text, "{line}").unwrap();
            }
        }
        text
    }

    async fn column(&self, sql: &str) -> Vec<String> {
        let rows = match self.0.simple("look at the database", sql).await {
            Ok(rows) => rows,
            Err(error) => panic!("{}: {sql}", error.chain()),
        };
        rows.iter().map(|row| row.get(0).unwrap_or("NULL").to_owned()).collect()
    }

    pub async fn close(self) {
        self.0.close().await;
    }
}
