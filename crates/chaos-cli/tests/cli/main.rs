//! The command line as people meet it: help, listings, errors, exit codes. Needs nothing but the binary.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

mod catalogue;
mod demo;
mod errors;
mod files;
mod help;
mod journals;
mod places;
mod runs;
mod secrets;
mod user;
