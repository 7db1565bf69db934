//! The JSON schema of a file of experiments, with the parameters of every fault of this binary.

use serde_json::{Map, Value, json};

use super::shape::{ExperimentShape, FileShape, NamedTargetShape, SkillShape, TargetShape};
use crate::erased::Catalog;

/// Returns the JSON schema (draft 2020-12) of a file of experiments. `target_config` depends on `target`, and `params` on
/// `skill_name`.
pub fn schema(catalog: &Catalog) -> Value {
    let mut definitions = Map::new();
    let mut file = schemars::schema_for!(FileShape).to_value();
    let experiments = json!({"minItems": 1, "items": {"$ref": "#/$defs/experiment"}});
    merge(&mut file, "/properties/experiments", experiments);
    let mut experiment = part(schemars::schema_for!(ExperimentShape));
    without_default(&mut experiment, &["target", "target_config", "targets"]);
    merge(&mut experiment, "/properties/skills", json!({"minItems": 1, "items": {"$ref": "#/$defs/skill"}}));
    merge(&mut experiment, "/properties/targets", several_targets());
    let mut configs = Vec::new();
    let mut skills = Vec::new();
    for connector in &catalog.connectors {
        let kind = connector.kind();
        let config = hoist(connector.config_schema(), &format!("target_config.{kind}"), &mut definitions);
        configs.push(when("target", kind, json!({"target_config": config})));
        let faults = catalog.faults.iter().map(|fault| fault.spec()).filter(|spec| spec.target == kind);
        let names: Vec<_> = faults.map(|spec| spec.name).collect();
        let of_kind = json!({"items": {"properties": {"skill_name": {"enum": names}}}});
        skills.push(when("target", kind, json!({"skills": of_kind})));
    }
    target_of(&mut experiment, catalog, &[configs.clone(), skills].concat());
    merge(
        &mut experiment,
        "",
        json!({"oneOf": [{"required": ["target", "target_config"]}, {"required": ["targets"]}]}),
    );
    for (name, shape) in [
        ("target", schemars::schema_for!(TargetShape)),
        ("named_target", schemars::schema_for!(NamedTargetShape)),
    ] {
        let mut target = part(shape);
        target_of(&mut target, catalog, &configs);
        definitions.insert(name.to_owned(), target);
    }
    definitions.insert("experiment".to_owned(), experiment);
    let skill = skill(catalog, &mut definitions);
    definitions.insert("skill".to_owned(), skill);
    merge(&mut file, "", json!({"$defs": definitions}));
    file
}

/// Takes the default away that stands for a key that is left out: nothing may be written in its place.
fn without_default(schema: &mut Value, keys: &[&str]) {
    for key in keys {
        let property = schema.pointer_mut(&format!("/properties/{key}"));
        if let Some(property) = property.and_then(Value::as_object_mut) {
            property.shift_remove("default");
        }
    }
}

/// A name for each target, or a list of targets with names.
fn several_targets() -> Value {
    let target = json!({"$ref": "#/$defs/target"});
    let named = json!({"$ref": "#/$defs/named_target"});
    json!({"oneOf": [
        {"type": "object", "minProperties": 1, "additionalProperties": target},
        {"type": "array", "minItems": 1, "items": named},
    ]})
}

/// Says which kinds of target there are, and what `cases` say about each.
fn target_of(schema: &mut Value, catalog: &Catalog, cases: &[Value]) {
    let kinds: Vec<_> = catalog.connectors.iter().map(|connector| connector.kind()).collect();
    merge(schema, "/properties/target", json!({"enum": kinds}));
    merge(schema, "/properties/target_config", json!({"type": "object"}));
    merge(schema, "", json!({"allOf": cases}));
}

fn skill(catalog: &Catalog, definitions: &mut Map<String, Value>) -> Value {
    let mut skill = part(schemars::schema_for!(SkillShape));
    without_default(&mut skill, &["on"]);
    let names: Vec<_> = catalog.faults.iter().map(|fault| fault.spec().name).collect();
    merge(&mut skill, "/properties/skill_name", json!({"enum": names}));
    merge(&mut skill, "/properties/params", json!({"type": ["object", "null"]}));
    let mut cases = Vec::new();
    for fault in &catalog.faults {
        let spec = fault.spec();
        let params = hoist(fault.params_schema(), &format!("params.{}", spec.name), definitions);
        // Not written at all or nothing written means: all defaults.
        cases.push(when("skill_name", spec.name, json!({"params": {"anyOf": [params, {"type": "null"}]}})));
    }
    merge(&mut skill, "", json!({"allOf": cases}));
    skill
}

/// If `key` is `value`, then `properties` hold.
fn when(key: &str, value: &str, properties: Value) -> Value {
    json!({
        "if": {"properties": {key: {"const": value}}, "required": [key]},
        "then": {"properties": properties},
    })
}

/// Returns a schema as a part of another one.
fn part(schema: schemars::Schema) -> Value {
    let mut value = schema.to_value();
    if let Some(object) = value.as_object_mut() {
        object.shift_remove("$schema");
    }
    value
}

/// Moves a schema and its definitions below `definitions` and returns the reference to it. All its names get `name` in
/// front, because two faults may call different things the same.
fn hoist(schema: schemars::Schema, name: &str, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = part(schema);
    let inner = schema.as_object_mut().and_then(|object| object.shift_remove("$defs"));
    rename_references(&mut schema, name);
    for (key, mut definition) in inner.as_ref().and_then(Value::as_object).cloned().unwrap_or_default() {
        rename_references(&mut definition, name);
        definitions.insert(format!("{name}.{key}"), definition);
    }
    definitions.insert(name.to_owned(), schema);
    json!({"$ref": format!("#/$defs/{name}")})
}

fn rename_references(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref")
                && let Some(key) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("#/$defs/{name}.{key}");
            }
            object.values_mut().for_each(|value| rename_references(value, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| rename_references(value, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Adds the keys of `more` to the object at `pointer`, over those that are there. `items: true` and the like give way.
fn merge(schema: &mut Value, pointer: &str, more: Value) {
    let (Some(Value::Object(object)), Value::Object(more)) = (schema.pointer_mut(pointer), more) else {
        unreachable!("the shapes have these keys, and what is added is an object");
    };
    object.extend(more);
}
