//! Inventories as YAML.

use std::path::Path;

use chaos_core::document::{Content, Document, Entry, Node};

use super::variables::Variables;
use super::{ALL, Inventory, range};

/// Groups are in groups; deeper than this they are in each other.
const DEPTH_MAX: usize = 32;

/// Reads an inventory.
pub(super) fn parse(path: &Path, text: &str) -> Result<Inventory, String> {
    let document =
        Document::parse(&path.display().to_string(), text).map_err(|problem| problem.to_string())?;
    let mut inventory = Inventory::default();
    inventory.group(ALL);
    for group in entries(document.root(), "an inventory")? {
        read_group(&mut inventory, group, 0)?;
    }
    Ok(inventory)
}

fn read_group(inventory: &mut Inventory, entry: &Entry, depth: usize) -> Result<(), String> {
    let (name, line) = (&entry.key, entry.key_span.line);
    if depth > DEPTH_MAX {
        return Err(format!("line {line}: groups are in each other more than {DEPTH_MAX} times"));
    }
    inventory.group(name);
    for part in entries(&entry.value, &format!("the group `{name}`"))? {
        let what = format!("`{}` of the group `{name}`", part.key);
        match part.key.as_str() {
            "hosts" => {
                for host in entries(&part.value, &what)? {
                    read_host(inventory, name, host)?;
                }
            }
            "vars" => {
                let variables = variables(&part.value, &what)?;
                inventory.group(name).variables.extend(variables);
            }
            "children" => {
                for child in entries(&part.value, &what)? {
                    inventory.group(name).children.insert(child.key.clone());
                    read_group(inventory, child, depth + 1)?;
                }
            }
            other => {
                let line = part.key_span.line;
                return Err(format!(
                    "line {line}: a group has `hosts`, `vars` and `children`, and no `{other}`"
                ));
            }
        }
    }
    Ok(())
}

fn read_host(inventory: &mut Inventory, group: &str, entry: &Entry) -> Result<(), String> {
    let line = entry.key_span.line;
    let variables = variables(&entry.value, &format!("the host `{}`", entry.key))?;
    for name in range::expand(&entry.key).map_err(|why| format!("line {line}: {why}"))? {
        inventory.add(group, &name, line, variables.clone());
    }
    Ok(())
}

/// Returns the variables that are single values; lists and mappings say nothing about logins.
fn variables(node: &Node, what: &str) -> Result<Variables, String> {
    let pairs = entries(node, what)?.iter().filter_map(|entry| {
        let value = entry.value.text().filter(|_| !is_nothing(&entry.value))?;
        Some((entry.key.clone(), value.to_owned()))
    });
    Ok(pairs.collect())
}

/// Returns the keys and values of a node; nothing written is none.
fn entries<'a>(node: &'a Node, what: &str) -> Result<&'a [Entry], String> {
    match &node.content {
        Content::Mapping(entries) => Ok(entries),
        Content::Scalar { .. } if is_nothing(node) => Ok(&[]),
        Content::Scalar { .. } | Content::Sequence(_) => {
            Err(format!("line {}: {what} is made of keys and values", node.span.line))
        }
    }
}

fn is_nothing(node: &Node) -> bool {
    matches!(&node.content, Content::Scalar { text, plain: true } if ["", "~", "null"].contains(&text.as_str()))
}
