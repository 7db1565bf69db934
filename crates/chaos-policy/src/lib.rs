//! What may be touched, how much, for how long: the review that every plan must pass.
//!
//! [`Limits`] come from a policy file that stands apart from the experiments, so that whoever writes an experiment does
//! not also write what it may do. [`review`] compares a plan with them; it is a pure function.

pub mod approved;
mod blocking;
pub mod limits;
pub mod pattern;
pub mod production;
pub mod refusal;
mod review;
pub mod rope;

pub use approved::ApprovedPlan;
pub use limits::{Limits, Source};
pub use pattern::NamePattern;
pub use production::Production;
pub use refusal::{Refusal, Rule};
pub use review::review;
pub use rope::RequireRope;
