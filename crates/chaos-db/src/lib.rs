//! Faults on databases. [`faults`] says what can be done, [`postgres`] and [`sqlite`] how each kind is reached and
//! undone, [`generate`] makes realistic rows, [`schema`] is the one model of a table they all share.

pub mod config;
pub mod connector;
pub mod faults;
pub mod generate;
pub mod postgres;
pub mod schema;
pub mod sqlite;
pub mod target;

pub use connector::DbConnector;
pub use target::DbTarget;
