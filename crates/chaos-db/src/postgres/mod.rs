//! PostgreSQL: connection, discovery, fence and marker.

mod catalog;
mod discovery;
pub mod error;
pub mod fence;
pub mod holders;
pub mod marker;
mod pgpass;
pub mod preflight;
pub(crate) mod select;
mod session;
pub mod sql;
mod target;
mod tls;
mod url;

pub use fence::Fence;
pub use marker::{Helper, Marker};
pub use session::PgSession;
pub use target::PgTarget;
pub use url::{check as check_url, redact, with_environment};
