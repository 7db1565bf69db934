//! From files of experiments to what the engine is asked to do.

use std::path::{Path, PathBuf};

use chaos_core::experiment::{self, ExperimentSpec, Loaded};
use chaos_core::{Catalog, document::Problem};
use chaos_engine::{ExperimentRequest, FaultUse};

use crate::error::CliError;
use crate::loader::variable;

/// Reads files and resolves every reference in them.
///
/// # Errors
/// Every problem of every file.
pub fn load(files: &[PathBuf], catalog: &Catalog) -> Result<Vec<ExperimentRequest>, CliError> {
    let mut requests = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        match experiment::load(file, catalog) {
            Ok(loaded) => requests.extend(resolve(file, &loaded, &mut problems)),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(requests) } else { Err(CliError::invalid(problems)) }
}

fn resolve(file: &Path, loaded: &Loaded, problems: &mut Vec<Problem>) -> Vec<ExperimentRequest> {
    // A recovery may start in another directory.
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut requests = Vec::new();
    for spec in &loaded.experiments {
        match loaded.resolve_config(spec.index, &variable) {
            Ok(config) => requests.push(request(spec, config, &file)),
            Err(problem) => problems.push(problem),
        }
    }
    requests
}

fn request(spec: &ExperimentSpec, config: serde_json::Value, file: &Path) -> ExperimentRequest {
    let uses = spec.uses.iter().map(|one| FaultUse {
        fault: one.fault.clone(),
        params: one.params.clone(),
        count: one.count,
    });
    ExperimentRequest {
        name: spec.name.clone(),
        kind: spec.target.clone(),
        hold: spec.hold,
        parallel: spec.parallel,
        filter: spec.filter.clone(),
        config,
        config_as_written: spec.target_config.clone(),
        file: Some(file.to_owned()),
        index: spec.index,
        uses: uses.collect(),
    }
}
