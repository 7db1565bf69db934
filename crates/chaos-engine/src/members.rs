//! Finds and connects the systems that the targets of an experiment stand for: every one is tried before any trouble is told.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use chaos_core::{DynConnector, DynTarget, FaultError, Member, Members, MembersRequest, TargetRef};
use futures::future::join_all;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::lanes::{permit, semaphore};
use crate::prepare::PreparedTarget;
use crate::request::{ExperimentRequest, TargetRequest};

/// The connected targets of one experiment.
#[derive(Default)]
pub(crate) struct Connected {
    /// How each is found again; in the order of the request, and of the members.
    pub(crate) refs: Vec<TargetRef>,
    /// The same, connected.
    pub(crate) targets: Vec<PreparedTarget>,
    /// Which of them each configured target stands for.
    pub(crate) places: Vec<Vec<usize>>,
    /// Members that do not answer and need not.
    pub(crate) skipped: Vec<String>,
    /// What people should know of the choice of members.
    pub(crate) notes: Vec<String>,
}

impl Engine {
    /// Connects everything that an experiment acts on.
    pub(crate) async fn connect_targets(
        &self,
        request: &ExperimentRequest,
        seed: u64,
    ) -> Result<Connected, EngineError> {
        let mut connected = Connected::default();
        let mut may_be_same = Vec::new();
        for target in &request.targets {
            let connector = self
                .catalog
                .connector(&target.kind)
                .ok_or_else(|| EngineError::UnknownTarget(target.kind.clone()))?;
            let asked = MembersRequest {
                config: target.config.clone(),
                as_written: target.config_as_written.clone(),
                directory: request.file.as_deref().and_then(Path::parent).map(Path::to_owned),
                seed,
                only: None,
            };
            let members = connector.members(asked).await.map_err(|source| EngineError::Prepare {
                experiment: request.name.clone(),
                what: target.title(),
                source,
            })?;
            let notes = members.notes.iter().map(|note| entitled(target, note));
            connected.notes.extend(notes);
            let (allow_same, before) = (members.allow_same, connected.refs.len());
            connected.add(request, target, &**connector, members).await?;
            may_be_same.resize(connected.refs.len(), allow_same);
            connected.places.push((before..connected.refs.len()).collect());
        }
        refuse_same(request, &connected.refs, &may_be_same)?;
        Ok(connected)
    }
}

impl Connected {
    async fn add(
        &mut self,
        request: &ExperimentRequest,
        target: &TargetRequest,
        connector: &dyn DynConnector,
        members: Members,
    ) -> Result<(), EngineError> {
        let total = members.list.len();
        let bound = members.at_once.map(semaphore);
        let connecting = members.list.iter().map(|member| async {
            let _permit = permit(bound.clone()).await;
            connector.connect(member.config.clone()).await
        });
        let mut failures = Vec::new();
        for (member, result) in members.list.iter().zip(join_all(connecting).await) {
            match result {
                Ok(found) => self.push(request, target, connector, member, members.at_once, found),
                Err(error @ FaultError::Unreachable(_)) if members.allow_unreachable => {
                    self.skipped.push(entitled(target, &format!("{}: {}", member.name, error.chain())));
                    failures.push((member.name.clone(), error, true));
                }
                Err(error) => failures.push((member.name.clone(), error, false)),
            }
        }
        let nobody_left = failures.len() == total;
        if failures.iter().all(|(_, _, is_allowed)| *is_allowed) && !nobody_left {
            return Ok(());
        }
        let told = failures.into_iter().filter(|(_, _, is_allowed)| nobody_left || !is_allowed);
        let told = told.map(|(name, error, _)| (name, error)).collect();
        Err(trouble(request, target.title(), total, told))
    }

    fn push(
        &mut self,
        request: &ExperimentRequest,
        target: &TargetRequest,
        connector: &dyn DynConnector,
        member: &Member,
        at_once: Option<usize>,
        found: Arc<dyn DynTarget>,
    ) {
        self.refs.push(TargetRef {
            kind: target.kind.clone(),
            identity: found.identity().clone(),
            config: connector.redact(&member.as_written),
            file: request.file.clone(),
            index: request.index,
            name: target.name.clone(),
            member: member.name.clone(),
            at_once,
        });
        let config = connector.with_environment(member.config.clone());
        self.targets.push(PreparedTarget { target: found, config });
    }
}

/// Makes the error of the members that failed; of one alone, the error of the target.
pub(crate) fn trouble(
    request: &ExperimentRequest,
    what: String,
    total: usize,
    mut failures: Vec<(String, FaultError)>,
) -> EngineError {
    let experiment = request.name.clone();
    match failures.pop() {
        Some((name, source)) if failures.is_empty() && (total <= 1 || name.is_empty()) => {
            EngineError::Prepare { experiment, what, source }
        }
        last => {
            failures.extend(last);
            EngineError::Members { experiment, what, total, failures }
        }
    }
}

fn entitled(target: &TargetRequest, text: &str) -> String {
    if target.name.is_empty() { text.to_owned() } else { format!("{}: {text}", target.name) }
}

fn refuse_same(
    request: &ExperimentRequest,
    targets: &[TargetRef],
    may_be_same: &[bool],
) -> Result<(), EngineError> {
    let mut seen: HashMap<&str, &TargetRef> = HashMap::new();
    let must_differ = targets.iter().zip(may_be_same).filter(|(_, may_be_same)| !**may_be_same);
    for (target, _) in must_differ {
        if let Some(first) = seen.insert(&target.identity.fingerprint, target) {
            return Err(EngineError::Same {
                experiment: request.name.clone(),
                first: first.title(),
                second: target.title(),
            });
        }
    }
    Ok(())
}
