//! `chaos explain`: the page of a fault, or of an error code.

use std::fmt::Write;

use chaos_core::document::suggest;
use chaos_core::{DynFault, ExitCode, Reversibility, Risk};
use serde_json::{Value, json};

use super::list_skills::{reversibility, risk};
use crate::args::ExplainArguments;
use crate::catalog::catalog;
use crate::codes::{self, Code, Entry};
use crate::error::CliError;
use crate::output::Output;

/// Prints the page of a fault or of an error code.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(arguments: &ExplainArguments, output: &Output) -> Result<ExitCode, CliError> {
    let catalog = catalog();
    if let Some(entry) = codes::find(&arguments.subject) {
        output.result(|| code_page(entry), &code_object(entry))?;
        return Ok(ExitCode::Done);
    }
    if let Some(fault) = catalog.fault(&arguments.subject) {
        let schema = fault.params_schema().to_value();
        output.result(|| fault_page(&**fault, &schema), &fault_object(&**fault, &schema))?;
        return Ok(ExitCode::Done);
    }
    let subject = &arguments.subject;
    let names = catalog.faults.iter().map(|fault| fault.spec().name);
    Err(CliError::new(Code::Unknown, format!("explain `{subject}`: it is no fault and no error code"))
        .hint(suggest(subject, names, "faults")))
}

fn code_page(entry: &Entry) -> String {
    format!("{}: {}\n\n{}\n", entry.name, entry.title, entry.text)
}

fn code_object(entry: &Entry) -> Value {
    json!({"code": entry.name, "title": entry.title, "text": entry.text})
}

fn fault_object(fault: &dyn DynFault, schema: &Value) -> Value {
    json!({"fault": fault.spec(), "params": schema})
}

fn fault_page(fault: &dyn DynFault, schema: &Value) -> String {
    let spec = fault.spec();
    let mut page = format!("{}: {}\n\n", spec.name, spec.summary);
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(page, "Target  {}; of several `targets`, the one that `on` names", spec.target);
    let _ = writeln!(page, "Risk    {}, {}", risk(spec.risk), risk_words(spec.risk));
    let _ =
        writeln!(page, "Undo    {}: {}", reversibility(spec.reversibility), undo_words(spec.reversibility));
    page.push_str("\nParameters\n");
    let properties = schema["properties"].as_object();
    match properties.filter(|properties| !properties.is_empty()) {
        Some(properties) => {
            for (name, property) in properties {
                push_parameter(&mut page, name, property, schema);
            }
        }
        None => page.push_str("  none\n"),
    }
    let _ = write!(page, "\nExample\n{}", example(spec.name, schema));
    page
}

fn push_parameter(page: &mut String, name: &str, property: &Value, schema: &Value) {
    let is_required = schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
    let description = property["description"].as_str().unwrap_or_default();
    let need = match (is_required, property.get("default")) {
        (true, _) => ", required".to_owned(),
        // Most descriptions say it in better words.
        (false, Some(default)) if !default.is_null() && !description.contains("Default: ") => {
            format!(", default {default}")
        }
        (false, _) => String::new(),
    };
    let _ = writeln!(page, "  {name} ({}{need})", type_words(property, schema));
    for line in description.lines() {
        let _ = writeln!(page, "      {}", line.trim());
    }
}

/// Returns the type of a parameter in words.
fn type_words(property: &Value, schema: &Value) -> String {
    let property = follow(property, schema);
    if let Some(variants) = property["oneOf"].as_array().or_else(|| property["anyOf"].as_array()) {
        let words: Vec<String> = variants
            .iter()
            .map(|variant| type_words(variant, schema))
            .filter(|word| word != "null")
            .collect();
        return words.join(" or ");
    }
    if let Some(values) = property["enum"].as_array() {
        let words: Vec<String> = values.iter().map(Value::to_string).collect();
        return words.join(" or ");
    }
    if let Some(value) = property.get("const") {
        return value.to_string();
    }
    let word = match &property["type"] {
        Value::String(word) => word.as_str(),
        Value::Array(words) => {
            words.iter().filter_map(Value::as_str).find(|word| *word != "null").unwrap_or("")
        }
        _ => "",
    };
    match word {
        "integer" => "whole number".to_owned(),
        "number" => "number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "string" => "text".to_owned(),
        "array" => format!("list of {}", type_words(&property["items"], schema)),
        "object" => object_words(property, schema),
        // What may be left out is `null` in the schema; among alternatives it is not shown.
        "null" => "null".to_owned(),
        _ => "any value".to_owned(),
    }
}

fn object_words(property: &Value, schema: &Value) -> String {
    let Some(properties) = property["properties"].as_object() else { return "keys and values".to_owned() };
    let words: Vec<String> =
        properties.iter().map(|(name, value)| format!("{name}: {}", type_words(value, schema))).collect();
    format!("{{{}}}", words.join(", "))
}

fn follow<'a>(property: &'a Value, schema: &'a Value) -> &'a Value {
    let name = property["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
    name.map_or(property, |name| &schema["$defs"][name])
}

/// The examples stand in the documentation of the parameters, so that there is one place to keep them right.
fn example(name: &str, schema: &Value) -> String {
    let mut lines = format!("  skills:\n    - skill_name: {name}\n");
    let properties = schema["properties"].as_object().into_iter().flatten();
    let examples: Vec<String> = properties
        .filter_map(|(name, property)| example_of(name, property["description"].as_str()?))
        .collect();
    if !examples.is_empty() {
        lines.push_str("      params:\n");
    }
    for example in examples {
        let _ = writeln!(lines, "        {example}");
    }
    lines
}

/// An example is the value alone, or the whole line with the name of the parameter.
fn example_of(name: &str, description: &str) -> Option<String> {
    let (_, rest) = description.split_once("Example: `")?;
    let (example, _) = rest.split_once('`')?;
    let is_line = example.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'));
    Some(if is_line { example.to_owned() } else { format!("{name}: {example}") })
}

fn risk_words(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "load only",
        Risk::Medium => "changes that applications can see",
        Risk::High => "applications stop or fail",
    }
}

fn undo_words(reversibility: Reversibility) -> &'static str {
    match reversibility {
        Reversibility::Harmless => "it changes nothing",
        Reversibility::Exact => "everything comes back and is read back",
        Reversibility::EndsItself => "it ends with its session and leaves nothing",
    }
}
