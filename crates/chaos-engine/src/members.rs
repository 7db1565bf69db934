//! Finds and connects the systems that the targets of an experiment stand for: every one is tried before any trouble is told.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use chaos_core::{DynConnector, DynTarget, Failure, FaultError, Member, Members, MembersRequest, TargetRef};
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
    /// Which of them may be the same system as another one.
    may_be_same: Vec<bool>,
    /// Members that do not answer and need not.
    pub(crate) skipped: Vec<String>,
    /// What people should know of the choice of members.
    pub(crate) notes: Vec<String>,
}

impl Engine {
    /// Connects everything that an experiment acts on, all targets side by side.
    pub(crate) async fn connect_targets(
        &self,
        request: &ExperimentRequest,
        seed: u64,
    ) -> Result<Connected, EngineError> {
        let connecting = request.targets.iter().map(|target| self.connect_target(request, target, seed));
        let (mut connected, mut errors) = (Connected::default(), Vec::new());
        for result in join_all(connecting).await {
            match result {
                Ok(target) => connected.extend(target),
                Err(error) => errors.push(error),
            }
        }
        if let Some(error) = in_one(&request.name, errors) {
            return Err(error);
        }
        refuse_same(request, &connected)?;
        Ok(connected)
    }

    async fn connect_target(
        &self,
        request: &ExperimentRequest,
        target: &TargetRequest,
        seed: u64,
    ) -> Result<Connected, EngineError> {
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
        let members = connector.members(asked).await.and_then(some);
        let members =
            members.map_err(|source| trouble(request, target.title(), 1, vec![(String::new(), source)]))?;
        let bound = members.at_once.map(semaphore);
        let connecting = members.list.iter().map(|member| async {
            let _permit = permit(bound.clone()).await;
            connector.connect(member.config.clone()).await
        });
        let results = join_all(connecting).await;
        Connected::of(request, target, &**connector, members, results)
    }
}

/// A configuration that stands for nothing is a mistake: nothing would happen, and be called a success.
fn some(members: Members) -> Result<Members, FaultError> {
    match members.list.is_empty() {
        true => Err(FaultError::Params(Failure::new("find any system that the configuration stands for"))),
        false => Ok(members),
    }
}

impl Connected {
    /// Takes the members of one target that answered, when nothing is wrong with the others.
    fn of(
        request: &ExperimentRequest,
        target: &TargetRequest,
        connector: &dyn DynConnector,
        members: Members,
        results: Vec<Result<Arc<dyn DynTarget>, FaultError>>,
    ) -> Result<Self, EngineError> {
        let total = members.list.len();
        let mut this = Self { places: vec![Vec::new()], ..Self::default() };
        this.notes.extend(members.notes.iter().map(|note| entitled(target, note)));
        let (mut failures, mut away) = (Vec::new(), Vec::new());
        for (member, result) in members.list.iter().zip(results) {
            match result {
                Ok(found) => {
                    this.places[0].push(this.refs.len());
                    this.may_be_same.push(members.allow_same);
                    this.push(request, target, connector, member, members.at_once, found);
                }
                Err(error @ FaultError::Unreachable(_)) if members.allow_unreachable => {
                    this.skipped.push(entitled(target, &format!("{}: {}", member.name, error.chain())));
                    away.push((member.name.clone(), error));
                }
                Err(error) => failures.push((member.name.clone(), error)),
            }
        }
        if failures.is_empty() && this.refs.is_empty() {
            // Nobody is left to act on.
            failures = away;
        }
        match failures.is_empty() {
            true => Ok(this),
            false => Err(trouble(request, target.title(), total, failures)),
        }
    }

    fn extend(&mut self, other: Self) {
        let before = self.refs.len();
        let places =
            other.places.into_iter().map(|places| places.into_iter().map(|place| before + place).collect());
        self.places.extend(places);
        self.refs.extend(other.refs);
        self.targets.extend(other.targets);
        self.may_be_same.extend(other.may_be_same);
        self.skipped.extend(other.skipped);
        self.notes.extend(other.notes);
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

/// Makes one error of those of several targets.
fn in_one(experiment: &str, mut errors: Vec<EngineError>) -> Option<EngineError> {
    if errors.len() < 2 {
        return errors.pop();
    }
    let mut told = Vec::new();
    let mut all = 0;
    for error in errors {
        match error {
            EngineError::Prepare { what, source, .. } => {
                told.push((what, source));
                all += 1;
            }
            EngineError::Members { what, total, failures, .. } => {
                told.extend(failures.into_iter().map(|(name, error)| (format!("{what}, `{name}`"), error)));
                all += total;
            }
            // A defect or a wrong kind of target: nothing that the others could add to.
            other => return Some(other),
        }
    }
    let experiment = experiment.to_owned();
    Some(EngineError::Members { experiment, what: "the targets".to_owned(), total: all, failures: told })
}

fn entitled(target: &TargetRequest, text: &str) -> String {
    if target.name.is_empty() { text.to_owned() } else { format!("{}: {text}", target.name) }
}

fn refuse_same(request: &ExperimentRequest, connected: &Connected) -> Result<(), EngineError> {
    let mut seen: HashMap<&str, &TargetRef> = HashMap::new();
    let targets = connected.refs.iter().zip(&connected.may_be_same);
    for (target, _) in targets.filter(|(_, may_be_same)| !**may_be_same) {
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
