//! The keys of the file, without what depends on target and fault. The doc comments are the reference page.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A file of experiments. They run one after the other.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Chaos experiments")]
pub(super) struct FileShape {
    /// The experiments, at least one.
    #[serde(rename = "experiments")]
    _experiments: Vec<Value>,
}

/// One experiment: faults on one target or several, held for a while, then undone.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExperimentShape {
    /// What people call it. Reports use it, so each experiment of a file has its own.
    pub name: String,
    /// The kind of target: `database`. An experiment on several targets has `targets` instead.
    #[serde(default, rename = "target", deserialize_with = "written")]
    #[schemars(with = "String")]
    _target: Option<String>,
    /// How to reach the target; what may stand here depends on the kind. Texts may hold `${VAR}` and `${VAR:-default}`, and a
    /// whole text may be `file:/path`; they are resolved when the target is reached.
    #[serde(default, rename = "target_config")]
    _target_config: Value,
    /// Several targets, of one kind or of different ones: a name for each, and below it `target` and `target_config`, or a list
    /// of `name`, `target` and `target_config`. Each fault says with `on` which of them it acts on.
    #[serde(default, rename = "targets")]
    _targets: Value,
    /// The faults, at least one. They are injected in this order and undone in the opposite one.
    #[serde(rename = "skills")]
    _skills: Vec<Value>,
    /// How long the faults are held, for example `90s`, `5m` or `1h 30m`; at most 24 hours, and no more than the policy allows.
    #[serde(rename = "duration")]
    _duration: String,
    /// Whether the faults are injected side by side instead of one after the other.
    #[serde(default)]
    pub parallel: bool,
    /// Regular expressions. Only resources whose name one of them matches are touched; tables are named `schema.table`. No
    /// expressions: everything may be touched.
    #[serde(default, rename = "resource_filters")]
    _resource_filters: Vec<String>,
}

/// One of several targets.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetShape {
    /// The kind of target: `database`.
    #[serde(rename = "target")]
    _target: String,
    /// How to reach it, as in an experiment with one target.
    #[serde(rename = "target_config")]
    _target_config: Value,
}

/// One of several targets, in a list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedTargetShape {
    /// What `on` calls it. Each target of an experiment has its own name.
    #[serde(rename = "name")]
    _name: String,
    /// The kind of target: `database`.
    #[serde(rename = "target")]
    _target: String,
    /// How to reach it, as in an experiment with one target.
    #[serde(rename = "target_config")]
    _target_config: Value,
}

/// One use of a fault.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SkillShape {
    /// The fault, for example `db.insert_load`; `chaos list-skills` shows all.
    #[serde(rename = "skill_name")]
    _skill_name: String,
    /// The name of the target that it acts on, where there are several `targets`.
    #[serde(default, rename = "on", deserialize_with = "written")]
    #[schemars(with = "String")]
    _on: Option<String>,
    /// Its parameters; `chaos explain NAME` shows them.
    #[serde(default, rename = "params")]
    _params: Option<Value>,
    /// How many times it is done, 1 to 100.
    #[serde(default = "once")]
    #[schemars(range(min = 1, max = 100))]
    pub count: u32,
}

fn once() -> u32 {
    1
}

/// What is written must be text; nothing at all may be written only by leaving the key out.
fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}
