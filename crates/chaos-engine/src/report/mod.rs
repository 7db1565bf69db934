//! What is told about a run: a pure fold over its journal, and the forms it is written in.
//!
//! [`fold`] makes a [`RunReport`] from any prefix of records, so a crashed run has a report too. [`Format::render`]
//! writes it for people, programs and build servers. Nothing in here reads a clock, a file or a target.

mod blank;
mod details;
mod events;
mod fold;
mod format;
mod html;
mod junit;
mod markdown;
mod model;
mod reverted;
mod status;
mod text;
mod timeline;
mod view;
mod words;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use fold::{fold, fold_journal};
pub use format::{Format, RenderError, UnknownFormat};
pub use model::{
    ConflictReport, Event, ExperimentReport, ExperimentStatus, RunReport, RunStatus, SCHEMA_VERSION,
    StepReport, TargetReport,
};
pub use status::{HistoryEntry, OpenStep, StatusReport, UnresolvedReport, UnresolvedState};
pub use text::Ink;
pub use words::{
    duration as duration_words, effect as effect_words, plain, rope as rope_words, steps as steps_words,
    undone as undone_words,
};
