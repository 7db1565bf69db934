//! The file in which a person writes experiments, read strictly.
//!
//! Everything that can be checked without a connection is checked here, all mistakes at once, each with its place. The
//! file speaks of *skills*; from here on they are faults.

mod duration;
mod schema;
mod shape;
mod targets;
mod validate;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::context::ResourceFilter;
use crate::document::{Content, Document, Node, Problem, Segment, resolve};
use crate::erased::Catalog;

pub use duration::{HOLD_MAX, parse_hold};
pub use schema::schema;
pub use targets::{TargetWord, target_word};
pub use validate::{COUNT_MAX, NAME_MAX, PARTS_MAX};

/// A file of experiments that passed every check.
#[derive(Debug, Clone)]
pub struct Loaded {
    document: Document,
    /// The experiments, in the order of the file.
    pub experiments: Vec<ExperimentSpec>,
}

/// One experiment as a person asked for it.
#[derive(Debug, Clone)]
pub struct ExperimentSpec {
    /// Its place in the file, from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// What it acts on, at least one.
    pub targets: Vec<TargetSpec>,
    /// How long the faults are held.
    pub hold: Duration,
    /// Whether the faults are injected side by side.
    pub parallel: bool,
    /// Which resources may be touched.
    pub filter: ResourceFilter,
    /// The faults, in order.
    pub uses: Vec<FaultUse>,
}

/// One target of an experiment as a person wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetSpec {
    /// Its name below `targets:`; empty where the experiment has one `target`.
    pub name: String,
    /// The kind of target: `database`.
    pub kind: String,
    /// How to reach it, as written: references are not resolved.
    pub config: Value,
}

/// One use of a fault.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultUse {
    /// The fault: `db.insert_load`.
    pub fault: String,
    /// Its parameters, as the fault takes them.
    pub params: Value,
    /// How many times it is done.
    pub count: u32,
    /// The place of what it acts on among the targets of its experiment, from 0.
    pub target: usize,
}

/// Reads and checks a file of experiments.
///
/// # Errors
/// Every problem that could be found.
pub fn load(path: &Path, catalog: &Catalog) -> Result<Loaded, Vec<Problem>> {
    read(Document::load(path).map_err(|problem| vec![problem])?, catalog)
}

/// Checks experiments that were read already: a pipe can be read only once.
///
/// # Errors
/// Every problem that could be found.
pub fn read(document: Document, catalog: &Catalog) -> Result<Loaded, Vec<Problem>> {
    let experiments = validate::experiments(&document, catalog)?;
    Ok(Loaded { document, experiments })
}

/// Checks experiments that are text; `name` is what errors call it.
///
/// # Errors
/// Every problem that could be found.
pub fn parse(name: &str, text: &str, catalog: &Catalog) -> Result<Loaded, Vec<Problem>> {
    read(Document::parse(name, text).map_err(|problem| vec![problem])?, catalog)
}

impl Loaded {
    /// Returns the configuration of the target at place `target` of the experiment at `index`, its references resolved. It
    /// may hold secrets.
    ///
    /// # Errors
    /// When a reference cannot be resolved; the problem shows where it stands.
    pub fn resolve_config(
        &self,
        index: usize,
        target: usize,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Value, Problem> {
        let config = &self.experiments[index].targets[target].config;
        let node = self.document.root().at(&self.config_path(index, target));
        resolve(config, env).map_err(|error| self.document.reference_problem(node, &error))
    }

    /// Makes a problem of the target at place `target` of the experiment at `index`: it cannot be reached.
    pub fn config_problem(&self, index: usize, target: usize, message: &str) -> Problem {
        self.problem_at(&self.config_path(index, target), message)
    }

    /// Makes a problem of one use of a fault, both places from 0: its preflight failed.
    pub fn use_problem(&self, index: usize, fault_use: usize, message: &str) -> Problem {
        let mut path = experiment_path(index);
        path.extend([Segment::Key("skills".to_owned()), Segment::Index(fault_use)]);
        self.problem_at(&path, message)
    }

    /// Where the configuration of a target stands: below the experiment, or below one of its `targets`.
    fn config_path(&self, index: usize, target: usize) -> Vec<Segment> {
        let mut path = experiment_path(index);
        let targets = self.document.root().at(&path).get("targets");
        if let Some(targets) = targets {
            path.push(Segment::Key("targets".to_owned()));
            path.push(match &targets.content {
                Content::Sequence(_) => Segment::Index(target),
                Content::Mapping(_) | Content::Scalar { .. } => {
                    Segment::Key(self.experiments[index].targets[target].name.clone())
                }
            });
        }
        path.push(Segment::Key("target_config".to_owned()));
        path
    }

    fn problem_at(&self, path: &[Segment], message: &str) -> Problem {
        let root: &Node = self.document.root();
        self.document.problem(root.span_at(path), "here", message)
    }
}

fn experiment_path(index: usize) -> Vec<Segment> {
    vec![Segment::Key("experiments".to_owned()), Segment::Index(index)]
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
