//! The vocabulary and the contracts of Chaos Agents. Nothing in here does I/O, but for
//! the documents that people write: [`document`] reads them, because a file and its bounds belong together.
//!
//! Read in this order: [`fault`] (what a fault must be able to do), [`plan`] (what is reviewed before anything
//! happens), [`record`] (what the journal holds) and [`state`] (how a step lives and ends).

pub mod clock;
pub mod context;
pub mod crash;
pub mod document;
pub mod erased;
pub mod error;
pub mod exit;
pub mod experiment;
pub mod fault;
pub mod id;
pub mod members;
pub mod misfit;
pub mod plan;
pub mod record;
pub mod secret;
pub mod state;
pub mod target;

pub use clock::{Clock, SystemClock};
pub use context::{PrepareContext, Progress, ProgressSink, ResourceFilter, StepContext};
pub use erased::{Catalog, DynConnector, DynFault, DynTarget, erase, erase_connector};
pub use error::{Failure, FaultError};
pub use exit::ExitCode;
pub use fault::{
    Access, Claim, Conflict, Effect, Fault, FaultSpec, NoSession, Quantity, Reversibility, RevertOutcome,
    Reverted, Risk, Rope, StepFacts,
};
pub use id::{RunId, StepId};
pub use members::{Member, Members, MembersRequest};
pub use misfit::Misfit;
pub use plan::{ExperimentPlan, Plan, PlannedStep, TargetRef};
pub use record::{Record, RecordBody};
pub use secret::Secret;
pub use state::{IllegalTransition, StepEvent, StepState};
pub use target::{
    Connector, DiscoverFilter, Inventory, InventoryTable, NameKind, Target, TargetIdentity, TargetName,
};
