//! Which host key is the right one: the files of known hosts, and what the caller says.

mod entry;
mod judge;
mod write;

pub(crate) use entry::matches;
pub(crate) use judge::{Judge, Trusted};
pub(crate) use write::NewKey;

#[cfg(test)]
mod tests;
