//! Changes settings of a PostgreSQL server with ALTER SYSTEM, and puts back exactly the entry that was there.
//!
//! What identifies our change is the entry in `postgresql.auto.conf`, not the value that clients see: the entry is what
//! survives a restart, and what somebody else may have written meanwhile.

mod denied;
mod preflight;
mod server;
mod undo;
mod value;

use std::fmt;

use chaos_core::crash::crash_point;
use chaos_core::{
    Access, Claim, Effect, Failure, Fault, FaultError, FaultSpec, NameKind, PrepareContext, Quantity,
    Reverted, Rope, StepContext, StepFacts, TargetName,
};
use serde::{Deserialize, Serialize};

pub(super) use self::denied::reason as never_changed;
pub use self::server::Live;
use super::{ConfigChange, Params};
use crate::faults::on_database::DatabaseFault;
use crate::postgres::{Fence, PgSession, PgTarget};

/// `db.config_change` on PostgreSQL.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConfigChangePostgres;

/// The change of one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChangeStep {
    /// The name of the setting.
    pub setting: String,
    /// The entry that we write.
    pub value: String,
    /// The value that clients get by it, in the unit of the setting.
    pub expected: String,
    /// The entry that was there before; absent: none.
    pub old_entry: Option<String>,
    /// The value that clients got before.
    pub old: Live,
    /// Parts of the file that the server itself drops when it writes it.
    pub dropped: Vec<String>,
    /// Roles and databases that do not see the change, because they have a value of their own.
    pub hidden_from: Vec<String>,
    /// What orders change and undo.
    pub fence: Fence,
}

impl fmt::Display for ConfigChangeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set `{}` to `{}` (now `{}`)", self.setting, self.value, self.old.shown)?;
        if !self.hidden_from.is_empty() {
            write!(f, "; not seen by {}, which have their own value", self.hidden_from.join(", "))?;
        }
        Ok(())
    }
}

impl ConfigChangeStep {
    /// Whether a client gets our value from our entry.
    fn is_in_force(&self, live: &Live) -> bool {
        value::same(&live.setting, &self.expected)
            && live.source == "configuration file"
            && live.from_auto_conf != Some(false)
    }

    /// Says how the entry comes back.
    fn undo(&self) -> String {
        let entry = match &self.old_entry {
            None => "its entry is taken out of postgresql.auto.conf, where it has none now".to_owned(),
            Some(entry) => format!("its entry in postgresql.auto.conf is set back to `{entry}`"),
        };
        let dropped = match self.dropped.as_slice() {
            [] => String::new(),
            dropped => format!("; the server drops {} when it writes the file", dropped.join(" and ")),
        };
        format!("{entry}, the server reloads, and `{}` is read back{dropped}", self.old.shown)
    }
}

/// The session that holds the fence, until the change is made.
pub struct ConfigSession(Option<PgSession>);

/// Writes the entry and waits until a new client gets the value.
async fn change(session: &PgSession, target: &PgTarget, step: &ConfigChangeStep) -> Result<Live, FaultError> {
    let what = format!("set `{}` to `{}`", step.setting, step.value);
    let found = server::entry(session, &step.setting).await?;
    if found != step.old_entry {
        let hint =
            "somebody else changed its entry in postgresql.auto.conf since the plan was made; plan again";
        return Err(FaultError::Target(Failure::new(what).hint(hint)));
    }
    crash_point("pg.config_change.before_alter");
    server::write_entry(session, &step.setting, Some(&step.value)).await?;
    crash_point("pg.config_change.altered");
    if let Some(error) = server::reload_blocked(session).await? {
        let hint = "correct that line; the server reads none of its configuration before";
        return Err(FaultError::Target(Failure::new(what).hint(hint).source(error)));
    }
    server::reload(session).await?;
    crash_point("pg.config_change.reloaded");
    match server::wait_live(target, &step.setting, |live| step.is_in_force(live)).await? {
        (live, true) => Ok(live),
        (live, false) => {
            let seen = format!("new clients get `{}` from {}", live.shown, live.source);
            Err(FaultError::Target(Failure::new(what).hint("see the server's log").source(seen)))
        }
    }
}

impl Fault for ConfigChangePostgres {
    type Target = PgTarget;
    type Params = Params;
    type Step = ConfigChangeStep;
    type Session = ConfigSession;

    const SPEC: FaultSpec = ConfigChange::SPEC;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &PgTarget,
        params: Params,
    ) -> Result<Vec<ConfigChangeStep>, FaultError> {
        preflight::plan(cx, target, &params.changes).await
    }

    fn facts(&self, step: &ConfigChangeStep) -> StepFacts {
        StepFacts {
            undo: step.undo(),
            rope: Rope::None,
            // Two changes of one setting would each take the other's entry for a stranger's.
            claims: vec![Claim {
                resource: format!("setting {}", step.setting),
                access: Access::BlockWrites,
            }],
            quantity: Quantity::default(),
            names: vec![TargetName::new(NameKind::Setting, step.setting.as_str())],
        }
    }

    async fn arm(
        &self,
        _cx: &StepContext,
        target: &PgTarget,
        step: &ConfigChangeStep,
    ) -> Result<ConfigSession, FaultError> {
        let session = target.session().await?;
        server::fence_session(&session, &step.fence).await?;
        Ok(ConfigSession(Some(session)))
    }

    async fn inject(
        &self,
        _cx: &StepContext,
        target: &PgTarget,
        step: &ConfigChangeStep,
        session: &mut ConfigSession,
    ) -> Result<Effect, FaultError> {
        let Some(fenced) = session.0.take() else {
            return Err(FaultError::Target(Failure::new("use the session of a change a second time")));
        };
        let live = change(&fenced, target, step).await?;
        // The change is made: there is nothing left to fence.
        fenced.close().await;
        let effect = Effect::default().with("param", step.setting.as_str());
        Ok(effect.with("before", step.old.shown.as_str()).with("after", live.shown))
    }

    async fn revert(
        &self,
        _cx: &StepContext,
        target: &PgTarget,
        step: &ConfigChangeStep,
    ) -> Result<Reverted, FaultError> {
        undo::revert(target, step).await
    }
}
