//! `db.config_change` on SQLite: the pragmas that are kept in the file and can be put back without rewriting it.

mod pragma;

use std::fmt;

use chaos_core::crash::crash_point;
use chaos_core::{
    Access, Claim, Conflict, Effect, Failure, Fault, FaultError, FaultSpec, NameKind, NoSession,
    PrepareContext, Quantity, RevertOutcome, Reverted, Rope, StepContext, StepFacts, TargetName,
};
use serde::{Deserialize, Serialize};

pub use self::pragma::Pragma;
use super::{ConfigChange, Params};
use crate::faults::on_database::DatabaseFault;
use crate::sqlite::SqliteTarget;

/// `db.config_change` on SQLite.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConfigChangeSqlite;

/// The change of one pragma.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The file, as other steps name it too.
    pub file: String,
    /// The pragma.
    pub pragma: Pragma,
    /// Its value before.
    pub before: String,
    /// Its value during the hold, as SQLite gives it back.
    pub after: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set `{}` of {} to `{}`, it is `{}`", self.pragma, self.file, self.after, self.before)
    }
}

impl Fault for ConfigChangeSqlite {
    type Target = SqliteTarget;
    type Params = Params;
    type Step = Step;
    type Session = NoSession;

    const SPEC: FaultSpec = ConfigChange::SPEC;

    async fn prepare(
        &self,
        _cx: &PrepareContext,
        target: &SqliteTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let file = target.file();
        target
            .run_to_the_end(move |connection| {
                file.check_writable(connection)?;
                let mut steps = Vec::new();
                for change in &params.changes {
                    let pragma = Pragma::named(&change.param)?;
                    let after = pragma.check_value(change.value.as_str())?;
                    let before = pragma.read(connection)?;
                    pragma.check_change(&before, &after)?;
                    steps.push(Step { file: file.resource(), pragma, before, after });
                }
                Ok(steps)
            })
            .await
    }

    fn facts(&self, step: &Step) -> StepFacts {
        StepFacts {
            undo: format!("set `{}` back to `{}` if it is still `{}`", step.pragma, step.before, step.after),
            rope: Rope::None,
            claims: vec![Claim { resource: step.file.clone(), access: Access::Write }],
            quantity: Quantity { connections: 1, ..Quantity::default() },
            names: vec![TargetName::new(NameKind::Setting, step.pragma.to_string())],
        }
    }

    async fn arm(
        &self,
        _cx: &StepContext,
        target: &SqliteTarget,
        step: &Step,
    ) -> Result<NoSession, FaultError> {
        let step = step.clone();
        target
            .run_to_the_end(move |connection| {
                // Otherwise an undo after a crash could not tell our change from that of somebody else.
                match step.pragma.read(connection)? == step.before {
                    true => Ok(NoSession),
                    false => Err(FaultError::Target(
                        Failure::new(format!(
                            "set `{}`, which was changed since the plan was made",
                            step.pragma
                        ))
                        .hint("plan again; nothing was touched"),
                    )),
                }
            })
            .await
    }

    async fn inject(
        &self,
        cx: &StepContext,
        target: &SqliteTarget,
        step: &Step,
        _session: &mut NoSession,
    ) -> Result<Effect, FaultError> {
        let step = step.clone();
        target
            .run(&cx.cancel, move |connection, cancel| {
                crash_point("sqlite.config_change.before_set");
                step.pragma.replace(connection, cancel, &step.before, &step.after)?;
                crash_point("sqlite.config_change.set");
                let effect = Effect::default().with("param", step.pragma.to_string());
                Ok(effect.with("before", step.before).with("value", step.after))
            })
            .await
    }

    async fn revert(
        &self,
        _cx: &StepContext,
        target: &SqliteTarget,
        step: &Step,
    ) -> Result<Reverted, FaultError> {
        let step = step.clone();
        target
            .run(&tokio_util::sync::CancellationToken::new(), move |connection, cancel| {
                crash_point("sqlite.config_change.before_undo");
                let found = step.pragma.read(connection)?;
                if found == step.before {
                    return Ok(Reverted::new(RevertOutcome::NothingToDo));
                }
                if found != step.after {
                    let mut reverted = Reverted::new(RevertOutcome::NothingToDo);
                    reverted.push_conflict(Conflict {
                        what: format!("`{}` of {}", step.pragma, step.file),
                        found: format!("changed since by somebody else to `{found}`, left as it is"),
                    });
                    return Ok(reverted);
                }
                step.pragma.replace(connection, cancel, &step.after, &step.before)?;
                crash_point("sqlite.config_change.undone");
                let effect =
                    Effect::default().with("param", step.pragma.to_string()).with("value", step.before);
                Ok(Reverted { effect, ..Reverted::new(RevertOutcome::Restored) })
            })
            .await
    }
}
