//! Asks before a change whether it will have an effect, whether the server takes it, and whether it can come back.

use chaos_core::document::suggest;
use chaos_core::{FaultError, PrepareContext};

use super::server::{self, Live, Setting};
use super::{ConfigChangeStep, denied, value};
use crate::faults::config_change::Change;
use crate::postgres::preflight::{Problem, refuse_if_any};
use crate::postgres::sql::literal;
use crate::postgres::{Fence, PgSession, PgTarget};

/// Everything about server, files and role that stands in the way.
const SERVER_SQL: &str = include_str!("server.sql");
/// Changes of somebody else that wait for a reload.
const PENDING_SQL: &str = include_str!("pending.sql");
/// Whether the role may look at the files for them.
const MAY_LOOK_SQL: &str = "SELECT pg_has_role(current_user, 'pg_read_all_settings', 'MEMBER') \
    AND has_function_privilege('pg_stat_file(text, boolean)', 'EXECUTE')";
/// Rights on single parameters exist since this version.
const GRANTS_SINCE: u32 = 150_000;
/// Limits below this would end our own sessions before they have set their own.
const TIMEOUT_MIN_MS: f64 = 1000.0;
/// Settings that limit how long a session, transaction or statement may last.
const TIMEOUTS: [&str; 4] = [
    "statement_timeout",
    "transaction_timeout",
    "idle_session_timeout",
    "idle_in_transaction_session_timeout",
];
/// How many similar names a hint lists.
const SIMILAR_MAX: usize = 5;

/// Checks all changes and plans a step for each.
pub(super) async fn plan(
    cx: &PrepareContext,
    target: &PgTarget,
    changes: &[Change],
) -> Result<Vec<ConfigChangeStep>, FaultError> {
    let session = target.session().await?;
    // Without the rights that are checked here nothing further can be asked.
    refuse_if_any("prepare a change of settings", server_problems(&session).await?)?;
    let mut problems = Vec::new();
    match server::reload_blocked(&session).await? {
        Some(error) => {
            let what = format!("an error keeps the server from reading its configuration: {error}");
            problems.push(Problem { what, hint: "correct that line".to_owned() });
        }
        None => problems.extend(pending(&session).await?),
    }
    let mut steps = Vec::new();
    for (place, change) in changes.iter().enumerate() {
        let fence = Fence::choose(&format!("{}_{}", cx.handle(), place + 1), cx.seed);
        match plan_change(&session, target, change, fence).await? {
            Ok(step) => steps.push(step),
            Err(problem) => problems.push(problem),
        }
    }
    refuse_if_any("prepare a change of settings", problems)?;
    let dropped = dropped_parts(&session).await?;
    for step in &mut steps {
        step.dropped.clone_from(&dropped);
    }
    session.close().await;
    Ok(steps)
}

async fn server_problems(session: &PgSession) -> Result<Vec<Problem>, FaultError> {
    let rows = session.query("check what may be changed", SERVER_SQL, &[]).await?;
    Ok(rows.iter().map(|row| Problem { what: row.get(0), hint: row.get(1) }).collect())
}

/// Returns which files wait for a reload, as far as the role may look.
async fn pending(session: &PgSession) -> Result<Vec<Problem>, FaultError> {
    let what = "check what a reload would put into force";
    let may_look = session.simple(what, MAY_LOOK_SQL).await?;
    if may_look.first().and_then(|row| row.get(0)) != Some("t") {
        return Ok(Vec::new());
    }
    let rows = session.query(what, PENDING_SQL, &[]).await?;
    Ok(rows.iter().map(|row| Problem { what: row.get(0), hint: row.get(1) }).collect())
}

type Planned = Result<ConfigChangeStep, Problem>;

fn problem(what: String, hint: &str) -> Planned {
    Err(Problem { what, hint: hint.to_owned() })
}

async fn plan_change(
    session: &PgSession,
    target: &PgTarget,
    change: &Change,
    fence: Fence,
) -> Result<Planned, FaultError> {
    let (name, written) = (&change.param, change.value.as_str());
    if let Some(reason) = denied::reason(name) {
        return Ok(problem(format!("setting `{name}` is never changed: {reason}"), "choose another setting"));
    }
    let Some(setting) = server::describe(session, name).await? else {
        return Ok(Err(unknown(session, name).await?));
    };
    if let Some(problem) = not_changeable(name, &setting) {
        return Ok(Err(problem));
    }
    if let Some(problem) = no_right(session, target, name).await? {
        return Ok(Err(problem));
    }
    let expected = match expected(session, name, &setting, written).await? {
        Ok(expected) => expected,
        Err(reason) => {
            return Ok(problem(
                format!("`{written}` is no value for `{name}`: {reason}"),
                "correct the value",
            ));
        }
    };
    let old = server::live(target, name).await?;
    if let Some(problem) = no_effect(name, &old) {
        return Ok(Err(problem));
    }
    Ok(Ok(ConfigChangeStep {
        setting: name.clone(),
        value: written.to_owned(),
        expected,
        old_entry: server::entry(session, name).await?,
        old,
        dropped: Vec::new(),
        hidden_from: hidden_from(session, name).await?,
        fence,
    }))
}

async fn unknown(session: &PgSession, name: &str) -> Result<Problem, FaultError> {
    let rows = session.query("list the settings", "SELECT name FROM pg_settings", &[]).await?;
    let mut names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    // The whole list is some hundred names long: only the most similar ones are shown.
    names.sort_by(|a, b| likeness(name, b).total_cmp(&likeness(name, a)));
    names.truncate(SIMILAR_MAX);
    let what = format!("there is no setting `{name}`");
    Ok(Problem { what, hint: suggest(name, names, "settings of a similar name") })
}

fn likeness(left: &str, right: &str) -> f64 {
    strsim::jaro_winkler(&left.to_lowercase(), &right.to_lowercase())
}

fn not_changeable(name: &str, setting: &Setting) -> Option<Problem> {
    let what = match setting.context.as_str() {
        "internal" => format!("setting `{name}` cannot be changed at all"),
        "postmaster" => format!("setting `{name}` takes effect only with a restart of the server"),
        _ => return None,
    };
    Some(Problem { what, hint: "choose a setting that a reload changes".to_owned() })
}

async fn no_right(session: &PgSession, target: &PgTarget, name: &str) -> Result<Option<Problem>, FaultError> {
    let granted = if target.server_version_num() >= GRANTS_SINCE {
        format!("has_parameter_privilege({}, 'ALTER SYSTEM')", literal(name))
    } else {
        "false".to_owned()
    };
    let sql = format!(
        "SELECT current_user FROM pg_roles r WHERE r.rolname = current_user AND NOT (r.rolsuper OR {granted})"
    );
    let rows = session.simple(format!("check the right to change `{name}`"), &sql).await?;
    Ok(rows.first().and_then(|row| row.get(0)).map(|role| Problem {
        what: format!("the role `{role}` has no right to change `{name}`"),
        hint: format!("use a superuser, or (from 15) GRANT ALTER SYSTEM ON PARAMETER {name} TO it"),
    }))
}

/// Returns the value as the server will show it, or why it is none.
async fn expected(
    session: &PgSession,
    name: &str,
    setting: &Setting,
    written: &str,
) -> Result<Result<String, String>, FaultError> {
    if written.contains('\n') {
        return Ok(Err("ALTER SYSTEM takes no line breaks".to_owned()));
    }
    let expected = match setting.context.as_str() {
        "user" | "superuser" => tried(session, name, written).await?,
        _ => value::canonical(setting, written),
    };
    Ok(expected.and_then(|expected| match expected.parse::<f64>() {
        Ok(ms) if TIMEOUTS.contains(&name) && ms != 0.0 && ms < TIMEOUT_MIN_MS => {
            Err("below 1s the undo itself would be cut off".to_owned())
        }
        _ => Ok(expected),
    }))
}

/// Lets the server take the value in a transaction that is rolled back, and returns how it shows it.
async fn tried(session: &PgSession, name: &str, written: &str) -> Result<Result<String, String>, FaultError> {
    let sql = format!(
        "BEGIN READ ONLY; SELECT set_config({0}, {1}, true); SELECT s.setting FROM pg_settings s WHERE s.name = {0}",
        literal(name),
        literal(written)
    );
    let tried = session.simple(format!("try `{written}` for `{name}`"), &sql).await;
    session.rollback().await?;
    match tried {
        Ok(rows) => Ok(Ok(rows.last().and_then(|row| row.get(0)).unwrap_or_default().to_owned())),
        Err(FaultError::Target(failure)) => {
            Ok(Err(failure.source.map_or_else(|| failure.what.clone(), |source| source.to_string())))
        }
        Err(error) => Err(error),
    }
}

/// Something that wins over the configuration file would hide the change.
fn no_effect(name: &str, old: &Live) -> Option<Problem> {
    if ["default", "configuration file", "environment variable"].contains(&old.source.as_str()) {
        return None;
    }
    let what = format!(
        "a change of `{name}` would have no effect: its value `{}` comes from `{}`",
        old.shown, old.source
    );
    let hint = "that wins over the configuration file; choose another setting, role or database";
    Some(Problem { what, hint: hint.to_owned() })
}

/// Returns the roles and databases that have a value of their own.
async fn hidden_from(session: &PgSession, name: &str) -> Result<Vec<String>, FaultError> {
    let sql = "SELECT concat_ws(' in ', 'role `' || r.rolname || '`', 'database `' || d.datname || '`') \
               FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS own(text) \
               LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase \
               WHERE lower(split_part(own.text, '=', 1)) = lower($1) ORDER BY 1 LIMIT 10";
    let rows = session.query(format!("look who has an own value of `{name}`"), sql, &[&name]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Returns what the server will drop from `postgresql.auto.conf` because it writes the file anew.
async fn dropped_parts(session: &PgSession) -> Result<Vec<String>, FaultError> {
    let what = "read postgresql.auto.conf";
    let sql = "SELECT has_function_privilege('pg_read_file(text)', 'EXECUTE')";
    let readable = session.simple(what, sql).await?.first().and_then(|row| row.get(0)) == Some("t");
    if !readable {
        return Ok(vec!["comments, if postgresql.auto.conf has any (this role cannot read it)".to_owned()]);
    }
    let rows = session.simple(what, "SELECT pg_read_file('postgresql.auto.conf')").await?;
    Ok(droppable(rows.first().and_then(|row| row.get(0)).unwrap_or_default()))
}

/// The two lines that the server itself writes at the top.
const HEADER: [&str; 2] =
    ["# Do not edit this file manually!", "# It will be overwritten by the ALTER SYSTEM command."];

/// Finds comments and entries that stand there twice.
fn droppable(file: &str) -> Vec<String> {
    let lines = file.lines().map(str::trim).filter(|line| !line.is_empty() && !HEADER.contains(line));
    let (comments, entries): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with('#'));
    let name = |line: &&str| line.split(['=', ' ', '\t']).next().unwrap_or_default().to_lowercase();
    let mut names: Vec<String> = entries.iter().map(name).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    let mut parts = Vec::new();
    if !comments.is_empty() {
        parts.push(format!("{} lines of comments", comments.len()));
    }
    if all > names.len() {
        parts.push(format!("{} entries that stand there twice", all - names.len()));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_drops_from_the_file_is_named_beforehand() {
        let clean = format!("{}\n{}\nwork_mem = '4MB'\n", HEADER[0], HEADER[1]);
        assert!(droppable(&clean).is_empty());
        let edited = format!("{clean}# by hand\nWORK_MEM='5MB'\n");
        assert_eq!(droppable(&edited), ["1 lines of comments", "1 entries that stand there twice"]);
    }
}
