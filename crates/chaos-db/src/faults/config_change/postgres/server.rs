//! Reads and writes settings on the server: the entry in `postgresql.auto.conf`, and the value that clients get.

use std::time::Duration;

use chaos_core::{Failure, FaultError};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::postgres::sql::{ident, literal};
use crate::postgres::{Fence, PgSession, PgTarget};

/// How long new sessions may take to see a reloaded setting.
const SEEN_MAX: Duration = Duration::from_secs(10);
/// The first pause between two looks; it doubles.
const LOOK_FIRST: Duration = Duration::from_millis(10);
/// The longest pause between two looks, each of which opens a connection.
const LOOK_LAST: Duration = Duration::from_millis(500);

/// What the server says about a setting.
#[derive(Debug, Clone, Default)]
pub(super) struct Setting {
    pub(super) context: String,
    pub(super) vartype: String,
    pub(super) unit: Option<String>,
    pub(super) min: Option<String>,
    pub(super) max: Option<String>,
    pub(super) enumvals: Vec<String>,
}

/// The value of a setting as a new client gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The value in the unit of the setting: `4096`.
    pub setting: String,
    /// The value as people write it: `4MB`.
    pub shown: String,
    /// Where it comes from: `default`, `configuration file`, …
    pub source: String,
    /// Whether it comes from `postgresql.auto.conf`; unknown to roles that may not see files.
    pub from_auto_conf: Option<bool>,
}

/// Returns what the server says about a setting; `None` when it has none of this name.
pub(super) async fn describe(session: &PgSession, name: &str) -> Result<Option<Setting>, FaultError> {
    let sql = "SELECT context, vartype, unit, min_val, max_val, coalesce(enumvals, '{}') \
               FROM pg_settings WHERE name = $1";
    let rows = session.query(format!("look up setting `{name}`"), sql, &[&name]).await?;
    Ok(rows.first().map(|row| Setting {
        context: row.get(0),
        vartype: row.get(1),
        unit: row.get(2),
        min: row.get(3),
        max: row.get(4),
        enumvals: row.get(5),
    }))
}

/// Returns the value that a new client gets now.
pub(super) async fn live(target: &PgTarget, name: &str) -> Result<Live, FaultError> {
    let what = format!("read setting `{name}`");
    let session = target.plain_session().await?;
    // Nothing is pinned in this session, so no object of a user may come before those of the system.
    let sql = format!(
        "SET search_path = pg_catalog, pg_temp; \
         SELECT s.setting, current_setting(s.name), s.source, s.sourcefile LIKE '%/postgresql.auto.conf' \
         FROM pg_settings s WHERE s.name = {}",
        literal(name)
    );
    let rows = session.simple(what.clone(), &sql).await?;
    session.close().await;
    let Some(row) = rows.first() else { return Err(FaultError::Target(Failure::new(what))) };
    let text = |place: usize| row.get(place).unwrap_or_default().to_owned();
    let from_auto_conf = row.get(3).map(|flag| flag == "t");
    Ok(Live { setting: text(0), shown: text(1), source: text(2), from_auto_conf })
}

/// Looks with new sessions until one of them gets what `wanted` asks for. Returns the last one seen, and whether it does.
pub(super) async fn wait_live(
    target: &PgTarget,
    name: &str,
    wanted: impl Fn(&Live) -> bool,
) -> Result<(Live, bool), FaultError> {
    let started = Instant::now();
    let mut pause = LOOK_FIRST;
    loop {
        let seen = live(target, name).await?;
        if wanted(&seen) {
            return Ok((seen, true));
        }
        if started.elapsed() > SEEN_MAX {
            return Ok((seen, false));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_LAST);
    }
}

/// Returns the entries of a setting in `postgresql.auto.conf`, in order. The last one counts.
pub(super) async fn entries(session: &PgSession, name: &str) -> Result<Vec<String>, FaultError> {
    let sql = "SELECT coalesce(setting, '') FROM pg_file_settings \
               WHERE sourcefile LIKE '%/postgresql.auto.conf' AND lower(name) = lower($1) ORDER BY seqno";
    let what = format!("read the entry of `{name}` in postgresql.auto.conf");
    let rows = session.query(what, sql, &[&name]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Returns the entry of a setting in `postgresql.auto.conf` that counts.
pub(super) async fn entry(session: &PgSession, name: &str) -> Result<Option<String>, FaultError> {
    Ok(entries(session, name).await?.pop())
}

/// Returns the error in a configuration file that keeps the server from reading any of it again.
///
/// Such an error keeps every line from being applied; a value that only waits for a restart does not.
pub(super) async fn reload_blocked(session: &PgSession) -> Result<Option<String>, FaultError> {
    let sql = "WITH f AS MATERIALIZED (SELECT * FROM pg_file_settings) \
               SELECT format('%s, line %s: %s', sourcefile, sourceline, error) FROM f \
               WHERE error IS NOT NULL AND NOT EXISTS (SELECT FROM f WHERE applied) ORDER BY seqno LIMIT 1";
    let rows = session.query("check the configuration files", sql, &[]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Writes the entry of a setting in `postgresql.auto.conf`, or takes it out.
pub(super) async fn write_entry(
    session: &PgSession,
    name: &str,
    value: Option<&str>,
) -> Result<(), FaultError> {
    // ALTER SYSTEM takes no parameters.
    let sql = match value {
        Some(value) => format!("ALTER SYSTEM SET {} = {}", ident(name), literal(value)),
        None => format!("ALTER SYSTEM RESET {}", ident(name)),
    };
    session.batch(format!("write the entry of `{name}` in postgresql.auto.conf"), &sql).await
}

/// Tells the server to read its configuration again.
pub(super) async fn reload(session: &PgSession) -> Result<(), FaultError> {
    let what = "let the server read its configuration again";
    let rows = session.simple(what, "SELECT pg_reload_conf()").await?;
    match rows.first().and_then(|row| row.get(0)) {
        Some("t") => Ok(()),
        _ => Err(FaultError::Target(Failure::new(what).hint("see the server's log"))),
    }
}

/// Takes the fence for as long as the session lasts: ALTER SYSTEM does not run inside a transaction.
pub(super) async fn fence_session(session: &PgSession, fence: &Fence) -> Result<(), FaultError> {
    let sql = format!("SELECT pg_try_advisory_lock({}, {})", fence.keys.0, fence.keys.1);
    let rows = session.simple("take the fence of a step", &sql).await?;
    match rows.first().and_then(|row| row.get(0)) {
        Some("t") => Ok(()),
        _ => {
            let hint = "another process works on this step; try again when it has ended";
            Err(FaultError::Busy(Failure::new("take the fence of a step").hint(hint)))
        }
    }
}
