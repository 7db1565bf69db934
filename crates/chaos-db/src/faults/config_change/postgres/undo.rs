//! Puts the entry back, unless somebody else has written it since.

use chaos_core::crash::crash_point;
use chaos_core::{Conflict, Effect, Failure, FaultError, RevertOutcome, Reverted};

use super::server::{self, Live};
use super::{ConfigChangeStep, value};
use crate::postgres::{PgSession, PgTarget};

/// Whose entry stands in the file.
enum Entry {
    /// The one from before, or none where there was none.
    Original,
    /// Ours.
    Ours,
    /// Somebody else's; `None`: somebody took it out.
    Foreign(Option<String>),
}

/// Puts the entry back and reads file and value back.
pub(super) async fn revert(target: &PgTarget, step: &ConfigChangeStep) -> Result<Reverted, FaultError> {
    let session = target.session().await?;
    // Outside a transaction this only waits until no inject holds the fence; then the session itself takes it.
    step.fence.take_for_undo(&session).await?;
    server::fence_session(&session, &step.fence).await?;
    let reverted = match whose(&session, step).await? {
        Entry::Original => restore_value(&session, target, step, false).await?,
        Entry::Ours => {
            restore_entry(&session, step).await?;
            restore_value(&session, target, step, true).await?
        }
        Entry::Foreign(found) => leave(&session, target, step, found).await?,
    };
    session.close().await;
    Ok(reverted)
}

async fn whose(session: &PgSession, step: &ConfigChangeStep) -> Result<Entry, FaultError> {
    let found = server::entry(session, &step.setting).await?;
    Ok(if found == step.old_entry {
        Entry::Original
    } else if found.as_ref() == Some(&step.value) {
        Entry::Ours
    } else {
        Entry::Foreign(found)
    })
}

async fn restore_entry(session: &PgSession, step: &ConfigChangeStep) -> Result<(), FaultError> {
    crash_point("pg.config_change.before_restore");
    server::write_entry(session, &step.setting, step.old_entry.as_deref()).await?;
    crash_point("pg.config_change.restored");
    let found = server::entry(session, &step.setting).await?;
    if found == step.old_entry {
        return Ok(());
    }
    let what = format!("read back the entry of `{}` in postgresql.auto.conf", step.setting);
    Err(FaultError::Busy(
        Failure::new(what).hint("somebody else writes it right now; it will be tried again"),
    ))
}

/// Makes the server read the file again where clients still get another value than before, and reads that back.
async fn restore_value(
    session: &PgSession,
    target: &PgTarget,
    step: &ConfigChangeStep,
    touched: bool,
) -> Result<Reverted, FaultError> {
    let before = server::live(target, &step.setting).await?;
    if is_original(step, &before) && !touched {
        return Ok(Reverted::new(RevertOutcome::NothingToDo));
    }
    server::reload(session).await?;
    crash_point("pg.config_change.restore_reloaded");
    let (live, back) = server::wait_live(target, &step.setting, |live| is_original(step, live)).await?;
    let mut reverted = Reverted::new(RevertOutcome::Restored);
    reverted.effect =
        Effect::default().with("param", step.setting.as_str()).with("value", live.shown.as_str());
    reverted.notes =
        step.dropped.iter().map(|part| format!("postgresql.auto.conf has lost {part}")).collect();
    if back {
        return Ok(reverted);
    }
    check_not_ours(session, step, &live).await?;
    let found = format!(
        "clients get `{}` from {}, set there by somebody else; left as it is",
        live.shown, live.source
    );
    reverted.push_conflict(Conflict { what: format!("setting `{}`", step.setting), found });
    Ok(reverted)
}

fn is_original(step: &ConfigChangeStep, live: &Live) -> bool {
    value::same(&live.setting, &step.old.setting)
        && live.source == step.old.source
        && live.from_auto_conf == step.old.from_auto_conf
}

/// Fails while clients still get what we wrote.
async fn check_not_ours(session: &PgSession, step: &ConfigChangeStep, live: &Live) -> Result<(), FaultError> {
    if !step.is_in_force(live) {
        return Ok(());
    }
    let what = format!(
        "bring `{}` back to `{}`; new clients still get `{}`",
        step.setting, step.old.shown, live.shown
    );
    let failure = Failure::new(what);
    Err(match server::reload_blocked(session).await? {
        Some(error) => {
            let hint =
                "the entry is restored, but the server reads no configuration until that line is corrected";
            FaultError::Target(failure.hint(hint).source(error))
        }
        None => FaultError::Busy(failure.hint("the server has not read its configuration again yet")),
    })
}

/// Leaves somebody else's entry alone, and makes sure that clients do not get ours any more.
async fn leave(
    session: &PgSession,
    target: &PgTarget,
    step: &ConfigChangeStep,
    found: Option<String>,
) -> Result<Reverted, FaultError> {
    let mut outcome = RevertOutcome::NothingToDo;
    let before = server::live(target, &step.setting).await?;
    if step.is_in_force(&before) && !is_original(step, &before) {
        server::reload(session).await?;
        let (live, gone) = server::wait_live(target, &step.setting, |live| !step.is_in_force(live)).await?;
        if !gone {
            check_not_ours(session, step, &live).await?;
        }
        outcome = RevertOutcome::Restored;
    }
    let mut reverted = Reverted::new(outcome);
    let found = match found {
        Some(entry) => format!("somebody else set it to `{entry}` in postgresql.auto.conf; left as it is"),
        None => "somebody else took it out of postgresql.auto.conf; left as it is".to_owned(),
    };
    reverted.push_conflict(Conflict { what: format!("setting `{}`", step.setting), found });
    Ok(reverted)
}
