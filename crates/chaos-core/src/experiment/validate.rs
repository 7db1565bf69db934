//! Every check of an experiment that needs no connection.

use std::collections::HashMap;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use super::duration::parse_hold;
use super::shape::{ExperimentShape, FileShape, SkillShape};
use super::targets::{Place, Places};
use super::{ExperimentSpec, FaultUse};
use crate::context::ResourceFilter;
use crate::document::reference::without_references;
use crate::document::{Content, Document, Node, Problem, Span, closest, suggest};
use crate::erased::{Catalog, DynFault};
use crate::misfit::Misfit;

/// How many times one entry below `skills:` may be done.
pub const COUNT_MAX: u32 = 100;

/// How long a name may be, in characters. It becomes a line of a report.
pub const NAME_MAX: usize = 200;

/// How many experiments a file may hold, faults an experiment, and expressions a filter.
pub const PARTS_MAX: usize = 100;

/// How many problems are told at once. Nobody reads more, and a broken file may have thousands.
const PROBLEMS_MAX: usize = 50;

/// Checks a whole file.
pub(super) fn experiments(
    document: &Document,
    catalog: &Catalog,
) -> Result<Vec<ExperimentSpec>, Vec<Problem>> {
    let root = document.root();
    let mut problems = Problems(Vec::new());
    if let Err(problem) = document.entries(root, root.span) {
        return Err(vec![problem.help("a file of experiments begins with `experiments:`")]);
    }
    problems.keep(document.read::<FileShape>(root));
    let mut specs = Vec::new();
    let mut names: HashMap<&str, Span> = HashMap::new();
    let nodes = root.get("experiments").and_then(Node::items).unwrap_or_default();
    problems.keep_one(check_parts(document, root, "experiments", "experiment"));
    for (index, node) in nodes.iter().take(PARTS_MAX).enumerate() {
        if let Some(spec) = problems.keep((Reader { document, catalog }).experiment(index, node)) {
            specs.push(spec);
        }
        let Some((name, span)) = node.get("name").and_then(|name| Some((name.text()?, name.span))) else {
            continue;
        };
        if let Some(first) = names.insert(name, span) {
            let message = format!("two experiments are called `{name}`");
            problems.0.push(document.problem(span, "second", message).also(first, "first"));
        }
    }
    problems.finish().map(|()| specs).map_err(|problems| first_problems(document, problems))
}

/// Collects problems while the rest is still checked.
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn keep<T>(&mut self, result: Result<T, Vec<Problem>>) -> Option<T> {
        result.map_err(|problems| self.0.extend(problems)).ok()
    }

    pub(super) fn keep_one<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    pub(super) fn finish(self) -> Result<(), Vec<Problem>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

fn first_problems(document: &Document, mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(Problem::position);
    if problems.len() > PROBLEMS_MAX {
        let more = problems.len() - PROBLEMS_MAX;
        problems.truncate(PROBLEMS_MAX);
        problems.push(Problem::of_file(document.name(), format!("and {more} more problems")));
    }
    problems
}

/// Refuses an empty list and one that is too long. That it is missing or no list is told by the shape.
pub(super) fn check_parts(document: &Document, node: &Node, key: &str, part: &str) -> Result<(), Problem> {
    let Some((entry, items)) = node.entry(key).and_then(|entry| Some((entry, entry.value.items()?))) else {
        return Ok(());
    };
    if items.is_empty() {
        let message = format!("`{key}` is empty");
        return Err(document
            .problem(entry.key_span, "here", message)
            .help(format!("write at least one {part}")));
    }
    if items.len() > PARTS_MAX {
        let message = format!("`{key}` has {} entries, but {PARTS_MAX} is the limit", items.len());
        return Err(document.problem(entry.key_span, "here", message).help("split it"));
    }
    Ok(())
}

/// Reads one experiment. Its targets are read in [`super::targets`].
pub(super) struct Reader<'a> {
    pub(super) document: &'a Document,
    pub(super) catalog: &'a Catalog,
}

impl Reader<'_> {
    fn experiment(&self, index: usize, node: &Node) -> Result<ExperimentSpec, Vec<Problem>> {
        self.document.entries(node, node.span).map_err(|problem| vec![problem])?;
        let mut problems = Problems(Vec::new());
        let shape: Option<ExperimentShape> = problems.keep(self.document.read(node));
        problems.keep_one(self.name(node));
        let places = self.places(node, &mut problems);
        let hold = problems.keep_one(self.hold(node)).flatten();
        let filter = problems.keep(self.filter(node));
        problems.keep_one(check_parts(self.document, node, "skills", "fault"));
        let mut uses = Vec::new();
        for item in node.get("skills").and_then(Node::items).unwrap_or_default().iter().take(PARTS_MAX) {
            uses.extend(problems.keep(self.fault_use(item, &places)).flatten());
        }
        problems.finish()?;
        let targets = places.list.into_iter().map(Place::into_spec).collect::<Option<Vec<_>>>();
        match (shape, targets, hold, filter) {
            (Some(shape), Some(targets), Some(hold), Some(filter)) => {
                let ExperimentShape { name, parallel, .. } = shape;
                Ok(ExperimentSpec { index, name, targets, hold, parallel, filter, uses })
            }
            _ => unreachable!("what is missing without a problem is missing in the shape, which tells it"),
        }
    }

    /// Makes the problem of a value: what is wrong, and what to do.
    pub(super) fn problem(&self, span: Span, message: &str, help: &str) -> Problem {
        self.document.problem(span, "here", message).help(help)
    }

    pub(super) fn name(&self, node: &Node) -> Result<(), Problem> {
        let name = node.get("name").and_then(|node| Some((node.text()?, node.span)));
        name.map_or(Ok(()), |(name, span)| self.check_name(name, span))
    }

    pub(super) fn check_name(&self, name: &str, span: Span) -> Result<(), Problem> {
        let message = if name.trim().is_empty() {
            "the name is empty"
        } else if name.chars().count() > NAME_MAX {
            "the name is too long"
        } else if name.chars().any(char::is_control) {
            "the name holds a line break or another control character"
        } else {
            return Ok(());
        };
        Err(self.problem(span, message, &format!("a name is one line of 1 to {NAME_MAX} characters")))
    }

    fn hold(&self, node: &Node) -> Result<Option<Duration>, Problem> {
        let Some((text, span)) = node.get("duration").and_then(|node| Some((node.text()?, node.span))) else {
            return Ok(None);
        };
        if span.start == span.end {
            // Nothing is written; the shape says so.
            return Ok(None);
        }
        parse_hold(text).map(Some).map_err(|(message, hint)| self.problem(span, &message, &hint))
    }

    fn filter(&self, node: &Node) -> Result<ResourceFilter, Vec<Problem>> {
        let mut problems = Problems(Vec::new());
        problems.keep_one(check_filter_length(self.document, node));
        let items = node.get("resource_filters").and_then(Node::items).unwrap_or_default();
        let texts = items.iter().take(PARTS_MAX).filter_map(|item| Some((item.text()?, item.span)));
        let mut expressions = Vec::new();
        for (text, span) in texts {
            let expression = Regex::new(text).map_err(|error| {
                // The first lines draw the expression again; the last one says what is wrong.
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let message = format!("`{text}` is not a regular expression: {reason}");
                self.problem(span, &message, "put a `\\` before characters that mean themselves")
            });
            expressions.extend(problems.keep_one(expression));
        }
        problems.finish().map(|()| ResourceFilter::new(expressions))
    }

    /// Returns `None` where the target is wrong, which was told: there is nothing to compare the fault with then.
    fn fault_use(&self, node: &Node, places: &Places) -> Result<Option<FaultUse>, Vec<Problem>> {
        self.document.entries(node, node.span).map_err(|problem| vec![problem])?;
        let mut problems = Problems(Vec::new());
        let shape: Option<SkillShape> = problems.keep(self.document.read(node));
        let target = problems.keep_one(self.on(node, places)).flatten();
        let Some((target, kind)) =
            target.and_then(|target| Some((target, places.list[target].kind.as_ref()?)))
        else {
            return problems.finish().map(|()| None);
        };
        if let Some(shape) = &shape
            && !(1..=COUNT_MAX).contains(&shape.count)
        {
            let span = node.get("count").map_or(node.span, |node| node.span);
            let message = format!("count `{}` is out of bounds", shape.count);
            problems.0.push(self.problem(span, &message, &format!("write a number from 1 to {COUNT_MAX}")));
        }
        let fault = problems.keep_one(self.fault(node, kind, &places.list[target].title())).flatten();
        let params = fault.and_then(|fault| problems.keep(self.params(node, fault)));
        problems.finish()?;
        match (shape, fault, params) {
            (Some(SkillShape { count, .. }), Some(fault), Some(params)) => {
                Ok(Some(FaultUse { fault: fault.spec().name.to_owned(), params, count, target }))
            }
            _ => unreachable!("what is missing without a problem is missing in the shape, which tells it"),
        }
    }

    fn fault(&self, node: &Node, kind: &str, target: &str) -> Result<Option<&dyn DynFault>, Problem> {
        let Some((name, span)) = node.get("skill_name").and_then(|node| Some((node.text()?, node.span)))
        else {
            return Ok(None);
        };
        let names =
            || self.catalog.faults.iter().map(|fault| fault.spec()).filter(|spec| spec.target == kind);
        match self.catalog.fault(name) {
            Some(fault) if fault.spec().target == kind => Ok(Some(&**fault)),
            Some(fault) => {
                let message =
                    format!("fault `{name}` acts on a `{}`, but {target} is a `{kind}`", fault.spec().target);
                let help = suggest("", names().map(|spec| spec.name), "faults for it");
                Err(self.problem(span, &message, &help))
            }
            None if span.start == span.end => Ok(None),
            None => {
                let help = match closest(name, names().map(|spec| spec.name)) {
                    Some(closest) => format!("did you mean `{closest}`? `chaos list-skills` shows all"),
                    None => "`chaos list-skills` shows all".to_owned(),
                };
                Err(self.problem(span, &format!("unknown fault `{name}`"), &help))
            }
        }
    }

    fn params(&self, node: &Node, fault: &dyn DynFault) -> Result<Value, Vec<Problem>> {
        let nothing = Node { span: node.span, content: Content::Mapping(Vec::new()) };
        let params = match node.entry("params") {
            // `params:` without anything is what `params = null` was.
            Some(entry) if entry.value.to_value().is_null() => &nothing,
            Some(entry) => {
                self.document.entries(&entry.value, entry.key_span).map_err(|problem| vec![problem])?;
                &entry.value
            }
            None => &nothing,
        };
        let value = self.document.check(params, |value| fault.check_params(value))?;
        let value = without_references(&value)
            .map_err(|error| vec![self.document.reference_problem(params, &error)])?;
        fault.check(&value).map_err(|misfit| vec![self.misfit(params, &misfit)])?;
        Ok(value)
    }

    /// Makes the problem of parameters that are of their types and still make no sense. It stands at the value, or where that
    /// is not written, at what it would stand in.
    fn misfit(&self, params: &Node, misfit: &Misfit) -> Problem {
        let found = params.at(&misfit.path).text();
        let problem = self.document.problem(params.span_at(&misfit.path), "here", misfit.told(found));
        match &misfit.hint {
            Some(hint) => problem.help(hint),
            None => problem,
        }
    }
}

fn check_filter_length(document: &Document, node: &Node) -> Result<(), Problem> {
    let is_empty = node.get("resource_filters").and_then(Node::items).is_some_and(<[Node]>::is_empty);
    // No expressions at all is a way to say "everything".
    if is_empty { Ok(()) } else { check_parts(document, node, "resource_filters", "expression") }
}
