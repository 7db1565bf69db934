//! `chaos schema`: JSON schemas, for editors and for programs that read our output.

use chaos_core::{ExitCode, experiment};
use chaos_engine::report::{HistoryEntry, RunReport, StatusReport};
use schemars::schema_for;
use serde_json::Value;

use crate::args::{SchemaArguments, SchemaOf};
use crate::catalog::catalog;
use crate::error::CliError;
use crate::output::Output;
use crate::output::plan::PlanReport;

/// Prints one schema.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(arguments: &SchemaArguments, output: &Output) -> Result<ExitCode, CliError> {
    let schema: Value = match arguments.of {
        SchemaOf::Experiment => experiment::schema(&catalog()),
        SchemaOf::Policy => chaos_policy::limits::schema().to_value(),
        SchemaOf::Report => schema_for!(RunReport).to_value(),
        SchemaOf::Status => schema_for!(StatusReport).to_value(),
        SchemaOf::History => schema_for!(Vec<HistoryEntry>).to_value(),
        SchemaOf::Plan => schema_for!(PlanReport).to_value(),
    };
    output.json(&schema)?;
    Ok(ExitCode::Done)
}
