//! Faults, targets and connectors without their types, as the engine handles them. Futures are boxed here, so that
//! the state machines behind them are compiled in the crate that wrote them.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::context::{PrepareContext, StepContext};
use crate::document::Segment;
use crate::error::{Failure, FaultError};
use crate::fault::{Effect, Fault, FaultSpec, Reverted, StepFacts};
use crate::members::{Members, MembersRequest};
use crate::misfit::Misfit;
use crate::target::{Connector, DiscoverFilter, Inventory, Target, TargetIdentity};

/// A boxed future that may be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A step as its fault wrote it, with its line for people.
#[derive(Debug, Clone)]
pub struct PreparedStep {
    /// What will be done to what, in one line.
    pub summary: String,
    /// What people and policy must know of it.
    pub facts: StepFacts,
    /// The step.
    pub step: Value,
}

/// What stays open between arm and finish.
pub type DynSession = Box<dyn Any + Send>;

/// A connected target of any kind.
pub trait DynTarget: Send + Sync + 'static {
    /// See [`Target::identity`].
    fn identity(&self) -> &TargetIdentity;
    /// See [`Target::is_still_there`].
    fn is_still_there(&self) -> BoxFuture<'_, bool>;
    /// See [`Target::discover`].
    fn discover<'a>(&'a self, filter: &'a DiscoverFilter) -> BoxFuture<'a, Result<Inventory, FaultError>>;
    /// Returns the target itself, for the faults of its kind.
    fn as_any(&self) -> &dyn Any;
}

impl<T: Target> DynTarget for T {
    fn identity(&self) -> &TargetIdentity {
        Target::identity(self)
    }

    fn is_still_there(&self) -> BoxFuture<'_, bool> {
        Box::pin(Target::is_still_there(self))
    }

    fn discover<'a>(&'a self, filter: &'a DiscoverFilter) -> BoxFuture<'a, Result<Inventory, FaultError>> {
        Box::pin(Target::discover(self, filter))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A fault of any kind. Steps are JSON here. See [`Fault`] for what the calls mean.
pub trait DynFault: Send + Sync + 'static {
    /// See [`Fault::SPEC`].
    fn spec(&self) -> &'static FaultSpec;
    /// Returns the JSON schema of the parameters.
    fn params_schema(&self) -> schemars::Schema;
    /// Checks the parameters without any target; the path inside them is in the error.
    ///
    /// # Errors
    /// When they are not what the fault takes.
    fn check_params(&self, params: &Value) -> Result<(), serde_path_to_error::Error<serde_json::Error>>;
    /// See [`Fault::check`]; for parameters that passed [`check_params`](Self::check_params).
    ///
    /// # Errors
    /// When they can never work.
    fn check(&self, params: &Value) -> Result<(), Misfit>;
    /// See [`Fault::prepare`].
    fn prepare<'a>(
        &'a self,
        cx: &'a PrepareContext,
        target: &'a dyn DynTarget,
        params: Value,
    ) -> BoxFuture<'a, Result<Vec<PreparedStep>, FaultError>>;
    /// See [`Fault::arm`].
    fn arm<'a>(
        &'a self,
        cx: &'a StepContext,
        target: &'a dyn DynTarget,
        step: &'a Value,
    ) -> BoxFuture<'a, Result<DynSession, FaultError>>;
    /// See [`Fault::inject`].
    fn inject<'a>(
        &'a self,
        cx: &'a StepContext,
        target: &'a dyn DynTarget,
        step: &'a Value,
        session: &'a mut DynSession,
    ) -> BoxFuture<'a, Result<Effect, FaultError>>;
    /// See [`Fault::finish`].
    fn finish<'a>(
        &'a self,
        cx: &'a StepContext,
        session: DynSession,
    ) -> BoxFuture<'a, Result<Option<Effect>, FaultError>>;
    /// See [`Fault::revert`].
    fn revert<'a>(
        &'a self,
        cx: &'a StepContext,
        target: &'a dyn DynTarget,
        step: &'a Value,
    ) -> BoxFuture<'a, Result<Reverted, FaultError>>;
    /// See [`Fault::disarm`].
    fn disarm<'a>(
        &'a self,
        cx: &'a StepContext,
        target: &'a dyn DynTarget,
        step: &'a Value,
    ) -> BoxFuture<'a, Result<(), FaultError>>;
}

/// How to reach a kind of target, without its types. See [`Connector`].
pub trait DynConnector: Send + Sync + 'static {
    /// See [`Connector::KIND`].
    fn kind(&self) -> &'static str;
    /// Returns the JSON schema of `target_config`.
    fn config_schema(&self) -> schemars::Schema;
    /// Checks a configuration without connecting; the path inside it is in the error.
    ///
    /// # Errors
    /// When it is not what the connector takes.
    fn check_config(&self, config: &Value) -> Result<(), serde_path_to_error::Error<serde_json::Error>>;
    /// See [`Connector::members`].
    fn members(&self, request: MembersRequest) -> BoxFuture<'_, Result<Members, FaultError>>;
    /// See [`Connector::connect`].
    fn connect(&self, config: Value) -> BoxFuture<'_, Result<Arc<dyn DynTarget>, FaultError>>;
    /// See [`Connector::redact`].
    fn redact(&self, config: &Value) -> Value;
    /// See [`Connector::recall`].
    fn recall(&self, config: Value, known: &TargetIdentity) -> Value;
    /// See [`Connector::with_environment`].
    fn with_environment(&self, config: Value) -> Value;
}

/// Every fault and connector of this binary.
#[derive(Default, Clone)]
pub struct Catalog {
    /// The faults, in the order of the listing.
    pub faults: Vec<Arc<dyn DynFault>>,
    /// The connectors.
    pub connectors: Vec<Arc<dyn DynConnector>>,
}

impl Catalog {
    /// Returns the fault of this name.
    pub fn fault(&self, name: &str) -> Option<&Arc<dyn DynFault>> {
        self.faults.iter().find(|fault| fault.spec().name == name)
    }

    /// Returns the connector for this kind of target.
    pub fn connector(&self, kind: &str) -> Option<&Arc<dyn DynConnector>> {
        self.connectors.iter().find(|connector| connector.kind() == kind)
    }
}

/// Takes the types off a fault.
pub fn erase<F: Fault>(fault: F) -> Arc<dyn DynFault> {
    Arc::new(Erased(fault))
}

/// Takes the types off a connector.
pub fn erase_connector<C: Connector>(connector: C) -> Arc<dyn DynConnector> {
    Arc::new(ErasedConnector(connector))
}

struct Erased<F>(F);

impl<F: Fault> Erased<F> {
    fn target<'a>(&self, target: &'a dyn DynTarget) -> Result<&'a F::Target, FaultError> {
        target.as_any().downcast_ref().ok_or_else(|| {
            let label = &target.identity().label;
            FaultError::WrongTarget(Failure::new(format!("use fault `{}` on `{label}`", F::SPEC.name)))
        })
    }

    fn step(step: &Value) -> Result<F::Step, FaultError> {
        serde_json::from_value(step.clone()).map_err(|source| {
            let what = format!("read a step of `{}`", F::SPEC.name);
            let hint = "it was written by a newer version of chaos; use that version";
            FaultError::Target(Failure::new(what).hint(hint).source(source))
        })
    }

    fn session(session: &mut DynSession) -> &mut F::Session {
        match session.downcast_mut() {
            Some(session) => session,
            None => unreachable!("a session is only ever handed to the fault that made it"),
        }
    }

    fn prepared(&self, step: F::Step) -> Result<PreparedStep, FaultError> {
        let value = serde_json::to_value(&step).map_err(|source| {
            FaultError::Preflight(
                Failure::new(format!("write down a step of `{}`", F::SPEC.name)).source(source),
            )
        })?;
        Ok(PreparedStep { summary: step.to_string(), facts: self.0.facts(&step), step: value })
    }
}

impl<F: Fault> DynFault for Erased<F> {
    fn spec(&self) -> &'static FaultSpec {
        &F::SPEC
    }

    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(F::Params)
    }

    fn check_params(&self, params: &Value) -> Result<(), serde_path_to_error::Error<serde_json::Error>> {
        serde_path_to_error::deserialize::<_, F::Params>(params.clone()).map(drop)
    }

    fn check(&self, params: &Value) -> Result<(), Misfit> {
        let typed = serde_json::from_value(params.clone()).map_err(|error| Misfit::new(error.to_string()))?;
        self.0.check(&typed)
    }

    fn prepare<'a>(
        &'a self,
        cx: &'a PrepareContext,
        target: &'a dyn DynTarget,
        params: Value,
    ) -> BoxFuture<'a, Result<Vec<PreparedStep>, FaultError>> {
        Box::pin(async move {
            let target = self.target(target)?;
            let unfit = |verb| Failure::new(format!("{verb} the params of `{}`", F::SPEC.name));
            let typed = serde_path_to_error::deserialize(params.clone())
                .map_err(|source| FaultError::Params(unfit("read").source(source)))?;
            self.0.check(&typed).map_err(|misfit| {
                let failure = unfit("use").source(misfit.told(misfit.found_in(&params).as_deref()));
                FaultError::Params(Failure { hint: misfit.hint, ..failure })
            })?;
            let steps = self.0.prepare(cx, target, typed).await?;
            steps.into_iter().map(|step| self.prepared(step)).collect()
        })
    }

    fn arm<'a>(
        &'a self,
        cx: &'a StepContext,
        target: &'a dyn DynTarget,
        step: &'a Value,
    ) -> BoxFuture<'a, Result<DynSession, FaultError>> {
        Box::pin(async move {
            let session = self.0.arm(cx, self.target(target)?, &Self::step(step)?).await?;
            Ok(Box::new(session) as DynSession)
        })
    }

    fn inject<'a>(
        &'a self,
        cx: &'a StepContext,
        target: &'a dyn DynTarget,
        step: &'a Value,
        session: &'a mut DynSession,
    ) -> BoxFuture<'a, Result<Effect, FaultError>> {
        Box::pin(async move {
            let step = Self::step(step)?;
            self.0.inject(cx, self.target(target)?, &step, Self::session(session)).await
        })
    }

    fn finish<'a>(
        &'a self,
        cx: &'a StepContext,
        session: DynSession,
    ) -> BoxFuture<'a, Result<Option<Effect>, FaultError>> {
        match session.downcast::<F::Session>() {
            Ok(session) => Box::pin(async move { self.0.finish(cx, *session).await }),
            Err(_) => unreachable!("a session is only ever handed to the fault that made it"),
        }
    }

    fn revert<'a>(
        &'a self,
        cx: &'a StepContext,
        target: &'a dyn DynTarget,
        step: &'a Value,
    ) -> BoxFuture<'a, Result<Reverted, FaultError>> {
        Box::pin(async move { self.0.revert(cx, self.target(target)?, &Self::step(step)?).await })
    }

    fn disarm<'a>(
        &'a self,
        cx: &'a StepContext,
        target: &'a dyn DynTarget,
        step: &'a Value,
    ) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(async move { self.0.disarm(cx, self.target(target)?, &Self::step(step)?).await })
    }
}

struct ErasedConnector<C>(C);

impl<C: Connector> DynConnector for ErasedConnector<C> {
    fn kind(&self) -> &'static str {
        C::KIND
    }

    fn config_schema(&self) -> schemars::Schema {
        schemars::schema_for!(C::Config)
    }

    fn check_config(&self, config: &Value) -> Result<(), serde_path_to_error::Error<serde_json::Error>> {
        let typed = serde_path_to_error::deserialize(config.clone())?;
        self.0.check(&typed).or_else(|misfit| refuse_at(config, misfit))
    }

    fn members(&self, request: MembersRequest) -> BoxFuture<'_, Result<Members, FaultError>> {
        Box::pin(self.0.members(request))
    }

    fn connect(&self, config: Value) -> BoxFuture<'_, Result<Arc<dyn DynTarget>, FaultError>> {
        Box::pin(async move {
            let config = serde_path_to_error::deserialize(config).map_err(|source| {
                FaultError::Params(
                    Failure::new(format!("read the target_config of a {}", C::KIND)).source(source),
                )
            })?;
            Ok(Arc::new(self.0.connect(config).await?) as Arc<dyn DynTarget>)
        })
    }

    fn redact(&self, config: &Value) -> Value {
        self.0.redact(config)
    }

    fn recall(&self, config: Value, known: &TargetIdentity) -> Value {
        self.0.recall(config, known)
    }

    fn with_environment(&self, config: Value) -> Value {
        self.0.with_environment(config)
    }
}

/// Makes the error of one key, as if it had been found while `config` was read.
fn refuse_at(config: &Value, misfit: Misfit) -> Result<(), serde_path_to_error::Error<serde_json::Error>> {
    let mut track = serde_path_to_error::Track::new();
    let reader = serde_path_to_error::Deserializer::new(config.clone(), &mut track);
    reader
        .deserialize_map(Refuse(misfit))
        .map_err(|error| serde_path_to_error::Error::new(track.path(), error))
}

/// Reads a mapping up to the key that is wrong, and fails there.
struct Refuse(Misfit);

impl<'de> Visitor<'de> for Refuse {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<String>()? {
            if self.0.path.first() == Some(&Segment::Key(key)) {
                return entries.next_value_seed(self);
            }
            entries.next_value::<IgnoredAny>()?;
        }
        Err(A::Error::custom(self.0.in_words()))
    }
}

impl<'de> DeserializeSeed<'de> for Refuse {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, _value: D) -> Result<(), D::Error> {
        Err(D::Error::custom(self.0.in_words()))
    }
}
