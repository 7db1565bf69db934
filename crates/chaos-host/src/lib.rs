//! Acts on one machine: runs our scripts there, over SSH or here, and leaves a deadline there that undoes without us.
//!
//! Nothing that a person or a host supplied ever becomes shell text. A [`Script`] is text of ours, and values of others are
//! only ever quoted words in it; it travels on the standard input of a constant command, between two marks, so that neither
//! a login shell nor its noise can change what is run or what is read.

mod error;
mod frame;
mod host;
pub mod rope;
mod script;
mod sudo;
pub mod transport;

pub use error::HostError;
pub use host::{Become, Host, Limits, Output};
pub use rope::{Answer, Rope, RopeHandle, RopeKind};
pub use script::{Script, quote};
