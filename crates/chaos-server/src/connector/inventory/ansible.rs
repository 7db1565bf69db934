//! Ansible inventories: groups of hosts, with variables that say how to log in.

mod ini;
mod range;
mod variables;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chaos_core::FaultError;

use super::{Found, List, text, unreadable};
use variables::Variables;

/// The group of everybody.
const ALL: &str = "all";
/// The group of those that are in no other.
const UNGROUPED: &str = "ungrouped";
/// How an encrypted value, or an encrypted file, begins.
const VAULT: [&str; 2] = ["!vault", "$ANSIBLE_VAULT"];
/// Where Ansible finds more variables, which are not read here.
const BESIDE: [&str; 2] = ["group_vars", "host_vars"];

/// An inventory as it is written.
#[derive(Debug, Default)]
struct Inventory {
    /// The hosts in the order in which they are first named, with their own variables.
    hosts: Vec<Entry>,
    places: BTreeMap<String, usize>,
    groups: BTreeMap<String, Group>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    line: usize,
    variables: Variables,
}

#[derive(Debug, Default)]
struct Group {
    hosts: BTreeSet<String>,
    children: BTreeSet<String>,
    variables: Variables,
}

impl Inventory {
    /// Names a host in a group; its variables are added to those that are known.
    fn add(&mut self, group: &str, name: &str, line: usize, variables: Variables) {
        let place = *self.places.entry(name.to_owned()).or_insert_with(|| {
            self.hosts.push(Entry { name: name.to_owned(), line, variables: Variables::default() });
            self.hosts.len() - 1
        });
        self.hosts[place].variables.extend(variables);
        self.group(group).hosts.insert(name.to_owned());
    }

    fn group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(name.to_owned()).or_default()
    }

    /// Returns every host of a group and of those below it.
    fn members(&self, group: &str) -> BTreeSet<&str> {
        let mut members = BTreeSet::new();
        if group == ALL {
            return self.places.keys().map(String::as_str).collect();
        }
        let (mut open, mut seen) = (vec![group], BTreeSet::new());
        while let Some(name) = open.pop() {
            let Some(group) = self.groups.get(name).filter(|_| seen.insert(name)) else { continue };
            members.extend(group.hosts.iter().map(String::as_str));
            open.extend(group.children.iter().map(String::as_str));
        }
        members
    }

    /// Returns the groups with variables, in the order in which they count: those further down, and later in the alphabet,
    /// overrule the others.
    fn ranked(&self) -> Vec<(&Group, BTreeSet<&str>)> {
        let mut groups: Vec<_> =
            self.groups.iter().filter(|(_, group)| !group.variables.is_empty()).collect();
        groups.sort_by_key(|(name, _)| (self.depth(name), name.as_str()));
        groups.into_iter().map(|(name, group)| (group, self.members(name))).collect()
    }

    /// Returns how far a group is below `all`, by the longest way.
    fn depth(&self, name: &str) -> usize {
        let mut level: BTreeSet<&str> = BTreeSet::from([name]);
        let mut depth = 0;
        // A circle of groups would never end; no way is longer than there are groups.
        while depth <= self.groups.len() {
            let is_above = |group: &Group| level.iter().any(|child| group.children.contains(*child));
            let above = self.groups.iter().filter(|(name, group)| *name != ALL && is_above(group));
            let above: BTreeSet<&str> = above.map(|(name, _)| name.as_str()).collect();
            if above.is_empty() {
                break;
            }
            level = above;
            depth += 1;
        }
        if name == ALL { 0 } else { depth + 1 }
    }

    fn refuse_unknown_groups(&self) -> Result<(), String> {
        let unknown = self.groups.values().flat_map(|group| &group.children);
        match unknown.into_iter().find(|child| !self.groups.contains_key(*child)) {
            Some(child) => Err(format!("the group `{child}` is a child of another, and is not there")),
            None => Ok(()),
        }
    }
}

/// Reads the hosts of a group.
pub(super) fn read(path: &Path, group: &str) -> Result<List, FaultError> {
    let text = text(path)?;
    let list = parse(path, &text).and_then(|inventory| hosts(path, &inventory, group));
    let mut list = list.map_err(|why| unreadable(path, why))?;
    for name in BESIDE {
        if path.parent().is_some_and(|parent| parent.join(name).is_dir()) {
            list.notes
                .push(format!("`{}`: the variables in `{name}` beside it are not read", path.display()));
        }
    }
    Ok(list)
}

fn parse(path: &Path, text: &str) -> Result<Inventory, String> {
    if let Some((index, _)) =
        text.lines().enumerate().find(|(_, line)| VAULT.iter().any(|mark| line.contains(mark)))
    {
        let why = "this is encrypted with Ansible Vault and cannot be read here; put how to log in into `defaults`, and keep \
                   encrypted values out of this file";
        return Err(format!("line {}: {why}", index + 1));
    }
    if text.starts_with("#!") {
        return Err("it is a program; save what it prints with `ansible-inventory --list --yaml`".to_owned());
    }
    let is_yaml = path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|yaml| end == *yaml));
    let inventory = if is_yaml { yaml::parse(path, text)? } else { ini::parse(text)? };
    inventory.refuse_unknown_groups()?;
    Ok(inventory)
}

fn hosts(path: &Path, inventory: &Inventory, group: &str) -> Result<List, String> {
    let members = match group {
        UNGROUPED => ungrouped(inventory),
        group if group == ALL || inventory.groups.contains_key(group) => inventory.members(group),
        group => return Err(format!("it has no group `{group}`")),
    };
    let ranked = inventory.ranked();
    let mut list = List::default();
    let mut unused = BTreeSet::new();
    for entry in inventory.hosts.iter().filter(|entry| members.contains(entry.name.as_str())) {
        let mut variables = Variables::default();
        let groups = ranked.iter().filter(|(_, members)| members.contains(entry.name.as_str()));
        groups.for_each(|(group, _)| variables.extend(group.variables.clone()));
        variables.extend(entry.variables.clone());
        let host = variables::host(&entry.name, &variables);
        let host = host.map_err(|why| format!("line {}: host `{}`: {why}", entry.line, entry.name))?;
        unused.extend(variables::missed(&variables));
        list.found.push(Found { place: format!("`{}`, line {}", path.display(), entry.line), host });
    }
    if list.found.is_empty() {
        return Err(format!("its group `{group}` has no host"));
    }
    if !unused.is_empty() {
        let names = unused.into_iter().collect::<Vec<_>>().join("`, `");
        let hint = "ways through other hosts belong into `~/.ssh/config`";
        list.notes.push(format!("`{}`: `{names}` is not used here; {hint}", path.display()));
    }
    Ok(list)
}

fn ungrouped(inventory: &Inventory) -> BTreeSet<&str> {
    let groups = inventory.groups.keys().filter(|name| *name != ALL && *name != UNGROUPED);
    let grouped: BTreeSet<_> = groups.flat_map(|name| inventory.members(name)).collect();
    inventory.members(ALL).difference(&grouped).copied().collect()
}
