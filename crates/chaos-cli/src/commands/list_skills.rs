//! `chaos list-skills`: the fault catalogue.

use chaos_core::experiment::{TargetWord, target_word};
use chaos_core::{Catalog, DynFault, ExitCode, FaultSpec, Reversibility, Risk};
use serde::Serialize;
use serde_json::Value;

use crate::args::ListSkillsArguments;
use crate::catalog::catalog;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{Output, progress, table};

/// One fault for programs.
#[derive(Serialize)]
struct Skill {
    #[serde(flatten)]
    spec: &'static FaultSpec,
    params: Value,
}

/// Lists the faults of one kind of target, or of all.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(arguments: &ListSkillsArguments, output: &Output) -> Result<ExitCode, CliError> {
    let catalog = catalog();
    let kind = match &arguments.target {
        Some(word) => Some(kind(word, &catalog)?),
        None => None,
    };
    let skills: Vec<Skill> = catalog
        .faults
        .iter()
        .filter(|fault| kind.as_ref().is_none_or(|kind| fault.spec().target == kind))
        .map(|fault| Skill { spec: fault.spec(), params: params(&**fault) })
        .collect();
    if let (true, Some(kind)) = (skills.is_empty(), &kind) {
        progress::say(&format!("this version has no faults for target `{kind}` yet"));
    }
    output.result(|| text(&skills), &skills)?;
    Ok(ExitCode::Done)
}

fn kind(word: &str, catalog: &Catalog) -> Result<String, CliError> {
    match target_word(word, catalog) {
        TargetWord::Kind(kind) => Ok(kind),
        // A kind that we know of and cannot act on is no typo: its list is empty, and that is said.
        TargetWord::NotSupported(..) => Ok(word.to_lowercase()),
        TargetWord::Unknown(message, hint) => {
            Err(CliError::new(Code::Unknown, format!("list the faults: {message}")).hint(hint))
        }
    }
}

fn params(fault: &dyn DynFault) -> Value {
    fault.params_schema().to_value()
}

fn text(skills: &[Skill]) -> String {
    if skills.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = skills.iter().map(row).collect();
    table::columns(&["name", "target", "risk", "undo", "what it does"], &rows)
}

fn row(skill: &Skill) -> Vec<String> {
    let spec = skill.spec;
    vec![
        spec.name.to_owned(),
        spec.target.to_owned(),
        risk(spec.risk).to_owned(),
        reversibility(spec.reversibility).to_owned(),
        spec.summary.to_owned(),
    ]
}

/// Returns the word for a risk.
pub fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    }
}

/// Returns the word for what an undo brings back.
pub fn reversibility(reversibility: Reversibility) -> &'static str {
    match reversibility {
        Reversibility::Harmless => "none needed",
        Reversibility::Exact => "exact",
        Reversibility::EndsItself => "ends itself",
    }
}
