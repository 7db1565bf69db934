//! The engine: runs approved plans, and undoes what runs have left.
//!
//! [`prepare`] reads and plans, [`execute`] acts, [`rollback`] undoes, [`recover`] undoes for the dead, [`guardian`] is the
//! small process that does so at once. [`journal`] is the truth about a run, [`run_state`] and [`report`] are folds over it.

pub mod engine;
pub mod error;
pub mod events;
pub mod execute;
pub mod guardian;
pub mod inject;
pub mod journal;
mod lanes;
pub mod ledger;
mod members;
pub mod prepare;
pub mod recover;
pub mod report;
pub mod request;
mod restore;
pub mod rollback;
pub mod run_state;
pub mod state_dir;
pub mod stop;
mod undo;
mod ways;

pub use engine::{ConfigLoader, ConfigPlace, Engine, EngineOptions, FoundConfig};
pub use error::EngineError;
pub use events::{EngineEvent, EventSink};
pub use execute::RunOutcome;
pub use prepare::{PrepareMode, Prepared, PreparedTarget};
pub use recover::{RecoverOptions, RecoverOutcome, UnresolvedRun};
pub use request::{ExperimentRequest, FaultUse, TargetRequest};
pub use state_dir::StateDir;
pub use stop::{StopReason, StopSignal};
