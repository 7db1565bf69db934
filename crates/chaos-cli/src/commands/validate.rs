//! `chaos validate`: checks files without connecting to anything.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use chaos_core::document::{Document, Problem};
use chaos_core::{Catalog, ExitCode, experiment};
use chaos_engine::report::plain;
use chaos_policy::Limits;
use serde::Serialize;

use crate::args::ValidateArguments;
use crate::catalog::catalog;
use crate::error::CliError;
use crate::loader::variable;
use crate::output::Output;

/// What one valid file is.
#[derive(Serialize)]
struct Valid {
    file: PathBuf,
    kind: &'static str,
    experiments: usize,
    /// References that cannot be resolved here.
    unresolved: Vec<String>,
}

/// Checks every file, and tells all mistakes at once.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(arguments: &ValidateArguments, output: &Output) -> Result<ExitCode, CliError> {
    let catalog = catalog();
    let mut valid = Vec::new();
    let mut problems = Vec::new();
    for file in &arguments.files {
        match check(file, &catalog) {
            Ok(one) => valid.push(one),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        output.result(|| text(&valid), &valid)?;
        return Ok(ExitCode::Done);
    }
    // What could not be read was not checked, whatever was found in the others.
    let was_read = !problems.iter().any(Problem::is_unreadable);
    let exit = if was_read { ExitCode::Findings } else { ExitCode::CannotDo };
    // The files that are valid are no news while others are not.
    Err(CliError { exit, ..CliError::invalid(problems) })
}

fn check(file: &Path, catalog: &Catalog) -> Result<Valid, Vec<Problem>> {
    // Read once: a second reading of a pipe would find it empty.
    let document = Document::load(file).map_err(|problem| vec![problem])?;
    if is_policy(&document) {
        Limits::read(&document, file)?;
        return Ok(Valid { file: file.to_owned(), kind: "policy", experiments: 0, unresolved: Vec::new() });
    }
    let loaded = experiment::read(document, catalog)?;
    // A secret that is not at hand here may be where the experiment runs, so it is no mistake of the file.
    let unresolved = loaded
        .experiments
        .iter()
        .flat_map(|spec| (0..spec.targets.len()).map(|target| (spec.index, target)))
        .filter_map(|(index, target)| loaded.resolve_config(index, target, &variable).err())
        .map(|problem| format!("{problem:?}"));
    Ok(Valid {
        file: file.to_owned(),
        kind: "experiments",
        experiments: loaded.experiments.len(),
        unresolved: unresolved.collect(),
    })
}

/// A policy file has no `experiments`, but at least one key of a policy.
fn is_policy(document: &Document) -> bool {
    let schema = chaos_policy::limits::schema().to_value();
    let keys = schema["properties"].as_object();
    let has = |key: &str| document.root().get(key).is_some();
    !has("experiments") && keys.is_some_and(|keys| keys.keys().any(|key| has(key)))
}

fn text(valid: &[Valid]) -> String {
    let mut text = String::new();
    for one in valid {
        let what = match (one.kind, one.experiments) {
            ("policy", _) => "a valid policy".to_owned(),
            (_, 1) => "1 valid experiment".to_owned(),
            (_, count) => format!("{count} valid experiments"),
        };
        // Writing into a String cannot fail, here and below.
        let _ = writeln!(text, "{}: {what}", one.file.display());
        for reference in &one.unresolved {
            let _ = writeln!(text, "  not here: {}", plain(reference));
        }
    }
    text
}
