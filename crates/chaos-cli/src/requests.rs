//! From files of experiments to what the engine is asked to do.

use std::path::{Path, PathBuf};

use chaos_core::Catalog;
use chaos_core::document::{Problem, STDIN};
use chaos_core::experiment::{self, ExperimentSpec, Loaded};
use chaos_engine::{ExperimentRequest, TargetRequest};

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
    // A recovery may start in another directory. What came through a pipe cannot be read again at all.
    let file = (file != Path::new(STDIN) && file.is_file())
        .then(|| std::path::absolute(file).unwrap_or_else(|_| file.to_owned()));
    let mut requests = Vec::new();
    for spec in &loaded.experiments {
        let targets = spec.targets.iter().enumerate().filter_map(|(place, target)| {
            let config = loaded.resolve_config(spec.index, place, &variable);
            let config = config.map_err(|problem| problems.push(problem)).ok()?;
            Some(TargetRequest {
                name: target.name.clone(),
                kind: target.kind.clone(),
                config,
                config_as_written: target.config.clone(),
            })
        });
        let targets = targets.collect();
        requests.push(request(spec, targets, file.as_deref()));
    }
    requests
}

fn request(spec: &ExperimentSpec, targets: Vec<TargetRequest>, file: Option<&Path>) -> ExperimentRequest {
    ExperimentRequest {
        name: spec.name.clone(),
        targets,
        hold: spec.hold,
        parallel: spec.parallel,
        filter: spec.filter.clone(),
        file: file.map(Path::to_owned),
        index: spec.index,
        uses: spec.uses.clone(),
    }
}
