//! Inventories as INI, in Ansible's dialect.

use super::variables::Variables;
use super::{ALL, Inventory, UNGROUPED, range};

/// What the lines of a section are.
enum Section {
    Hosts(String),
    Children(String),
    Variables(String),
}

/// Reads an inventory.
pub(super) fn parse(text: &str) -> Result<Inventory, String> {
    let mut inventory = Inventory::default();
    inventory.group(ALL);
    let mut section = Section::Hosts(UNGROUPED.to_owned());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let number = index + 1;
        let read = match header(line) {
            Some(found) => found.map(|found| {
                inventory.group(found.group());
                section = found;
            }),
            None => read_line(&mut inventory, &section, line, number),
        };
        read.map_err(|why| format!("line {number}: {why}"))?;
    }
    Ok(inventory)
}

impl Section {
    fn group(&self) -> &str {
        let (Self::Hosts(group) | Self::Children(group) | Self::Variables(group)) = self;
        group
    }
}

/// Reads `[group]`, `[group:children]` or `[group:vars]`. A line may also be a host that begins with an address in brackets.
fn header(line: &str) -> Option<Result<Section, String>> {
    let (inside, behind) = line.strip_prefix('[')?.split_once(']')?;
    let behind = behind.trim_start();
    if !behind.is_empty() && !behind.starts_with(['#', ';']) {
        return None;
    }
    let (group, kind) = inside.split_once(':').map_or((inside, ""), |(group, kind)| (group, kind));
    if inside.matches(':').count() > 1 {
        return None;
    }
    if group.is_empty() || group.contains(char::is_whitespace) {
        return Some(Err(format!("`{line}`: a group has no such name")));
    }
    let group = group.to_owned();
    Some(match kind {
        "" => Ok(Section::Hosts(group)),
        "children" => Ok(Section::Children(group)),
        "vars" => Ok(Section::Variables(group)),
        _ => Err(format!("`{line}`: a section is `[group]`, `[group:children]` or `[group:vars]`")),
    })
}

fn read_line(inventory: &mut Inventory, section: &Section, line: &str, number: usize) -> Result<(), String> {
    match section {
        Section::Hosts(group) => {
            let words = shlex::split(line).ok_or_else(|| format!("`{line}`: a quote is not closed"))?;
            let Some((pattern, pairs)) = words.split_first() else { return Ok(()) };
            let variables = pairs.iter().map(|pair| assignment(pair)).collect::<Result<Variables, _>>()?;
            for name in range::expand(pattern)? {
                inventory.add(group, &name, number, variables.clone());
            }
        }
        Section::Children(group) => {
            let child = line.split(['#', ';']).next().unwrap_or_default().trim();
            inventory.group(group).children.insert(child.to_owned());
        }
        Section::Variables(group) => {
            // The whole rest of the line is the value here, quotes and blanks and all.
            let (key, value) =
                line.split_once('=').ok_or_else(|| format!("`{line}`: a variable is `name=value`"))?;
            let value = value.trim();
            let bare = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            let pair = (key.trim().to_owned(), bare.unwrap_or(value).to_owned());
            inventory.group(group).variables.extend([pair]);
        }
    }
    Ok(())
}

fn assignment(pair: &str) -> Result<(String, String), String> {
    match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        // The word may be half a password.
        _ => Err("behind the name of a host stand variables, as `name=value`".to_owned()),
    }
}
