//! Decides, column by column, how a table is filled, and gathers everything that stands in the way.

use std::collections::HashMap;

use crate::schema::{Column, ColumnKind, ForeignKey, Table};

use super::choose::Chooser;
use super::limits::{Limits, gather};
use super::literal::Literal;
use super::mix::stream;
use super::plan::{KeyPlan, Omitted, Origin, ParentGroup, Source};
use super::pool::Pool;
use super::value::{copy_escape, escape};
use super::{Cell, Needs, Obstacle};

/// What a plan is made of.
pub(super) struct Made {
    pub(super) columns: Vec<(String, Source)>,
    pub(super) groups: Vec<ParentGroup>,
    pub(super) omitted: Vec<Omitted>,
}

/// Builds a plan.
pub(super) struct Builder<'a> {
    table: &'a Table,
    keys: &'a KeyPlan,
    parents: &'a HashMap<String, Vec<Vec<Cell>>>,
    seed: u64,
    needs: Needs,
    limits: HashMap<String, Limits>,
    groups: Vec<ParentGroup>,
    /// For each column of a foreign key: the group and the place in it, or `None` where there are no parents.
    foreign: HashMap<&'a str, Option<(usize, usize)>>,
    obstacles: Vec<Obstacle>,
}

impl<'a> Builder<'a> {
    /// Looks at keys and constraints.
    pub(super) fn new(
        table: &'a Table,
        keys: &'a KeyPlan,
        parents: &'a HashMap<String, Vec<Vec<Cell>>>,
        seed: u64,
    ) -> Result<Self, Vec<Obstacle>> {
        let (needs, limits) = match (Needs::of(table), gather(&table.checks)) {
            (Ok(needs), Ok(limits)) => (needs, limits),
            (Err(mut obstacles), Err(more)) => {
                obstacles.extend(more);
                return Err(obstacles);
            }
            (Err(obstacles), Ok(_)) | (Ok(_), Err(obstacles)) => return Err(obstacles),
        };
        let seed = stream(seed, &table.qualified());
        let (groups, foreign, obstacles) = (Vec::new(), HashMap::new(), Vec::new());
        let mut builder =
            Self { table, keys, parents, seed, needs, limits: HashMap::new(), groups, foreign, obstacles };
        builder.take_limits(limits);
        Ok(builder)
    }

    /// Decides for every column.
    pub(super) fn build(mut self) -> Result<Made, Vec<Obstacle>> {
        let table = self.table;
        for key in &table.foreign_keys {
            if let Err(obstacle) = self.take_parents(key) {
                self.obstacles.push(obstacle);
            }
        }
        let mut columns = Vec::new();
        let mut omitted = Vec::new();
        for column in table.columns.iter().filter(|column| !column.generated) {
            match self.decide(column) {
                Ok(Some(source)) => columns.push((column.name.clone(), source)),
                Ok(None) => omitted.push(omission(column)),
                Err(why) => self.obstacles.push(Obstacle::column(&column.name, why)),
            }
        }
        if columns.is_empty() && self.obstacles.is_empty() {
            let why = "it has no column that can be written".to_owned();
            self.obstacles.push(Obstacle { what: format!("table `{}`", table.qualified()), why });
        }
        if self.obstacles.is_empty() {
            Ok(Made { columns, groups: self.groups, omitted })
        } else {
            Err(self.obstacles)
        }
    }

    /// Puts the limits under the names that the columns really have: constraints may write them in another case.
    fn take_limits(&mut self, limits: HashMap<String, Limits>) {
        for (name, limits) in limits {
            let exact = self.table.column(&name);
            let found = exact
                .or_else(|| self.table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(&name)));
            match found {
                Some(column) => drop(self.limits.insert(column.name.clone(), limits)),
                None => self
                    .obstacles
                    .push(Obstacle::column(&name, "a check names it, but the table does not have it")),
            }
        }
    }

    fn take_parents(&mut self, key: &'a ForeignKey) -> Result<(), Obstacle> {
        let obstacle = |why: String| Obstacle { what: format!("foreign key `{}`", key.name), why };
        if let Some(shared) = key.child_columns.iter().find(|name| self.foreign.contains_key(name.as_str())) {
            return Err(obstacle(format!("it shares the column `{shared}` with another foreign key")));
        }
        let one_each = self.needs.free_parents.contains(&key.name);
        let rows = self.allowed_parents(key).map_err(&obstacle)?;
        let count = rows.len() as u64;
        if one_each && count < self.keys.rows {
            let wanted = self.keys.rows;
            let parent = &key.parent_table;
            return Err(obstacle(format!(
                "{wanted} rows of `{parent}` without a row here are needed, {count} are left"
            )));
        }
        if rows.is_empty() {
            let required =
                |name: &&String| self.table.column(name).is_some_and(|column| self.is_required(column));
            if let Some(column) = key.child_columns.iter().find(required) {
                let parent = &key.parent_table;
                return Err(obstacle(format!(
                    "`{column}` needs a row of `{parent}`, which has none to offer"
                )));
            }
        }
        let group = (!rows.is_empty()).then_some(self.groups.len());
        for (place, name) in key.child_columns.iter().enumerate() {
            self.foreign.insert(name, group.map(|group| (group, place)));
        }
        if group.is_some() {
            let texts = (0..key.child_columns.len())
                .map(|place| Pool::new(rows.iter().map(|row| copy_text(&row[place]))));
            let texts = texts.collect();
            self.groups.push(ParentGroup { salt: stream(self.seed, &key.name), one_each, texts, rows });
        }
        Ok(())
    }

    /// Returns the parent rows whose values the constraints of this table allow.
    fn allowed_parents(&self, key: &ForeignKey) -> Result<Vec<Vec<Cell>>, String> {
        let mut rows = self.parents.get(&key.name).cloned().unwrap_or_default();
        if let Some(row) = rows.iter().find(|row| row.len() != key.child_columns.len()) {
            return Err(format!(
                "a parent row has {} values, the key has {}",
                row.len(),
                key.child_columns.len()
            ));
        }
        for (place, name) in key.child_columns.iter().enumerate() {
            let Some(limits) = self.limits.get(name).filter(|limits| !limits.is_empty()) else { continue };
            let range = limits.range(Literal::number)?;
            if limits.has_more_than_range() {
                return Err(format!("a check on the column `{name}` is not understood for a foreign key"));
            }
            rows.retain(|row| number(&row[place]).is_some_and(|number| range.holds(number, number)));
        }
        Ok(rows)
    }

    fn decide(&self, column: &Column) -> Result<Option<Source>, String> {
        let salt = stream(self.seed, &column.name);
        if let Some(parent) = self.foreign.get(column.name.as_str()) {
            let from = parent.map_or(Origin::Nothing, |(group, place)| Origin::Parent { group, place });
            return Ok(Some(Source { salt, nullable: false, from }));
        }
        if self.table.foreign_keys.iter().any(|key| key.child_columns.contains(&column.name)) {
            // The obstacle of its foreign key is already noted.
            return Ok(None);
        }
        let none = Limits::default();
        let limits = self.limits.get(&column.name).unwrap_or(&none);
        let distinct = self.needs.distinct.contains(&column.name);
        if let ColumnKind::Unsupported(_) = column.kind
            && (!self.is_required(column) || column.default.is_some())
            && !distinct
        {
            return Ok(None);
        }
        let table = &self.table.name;
        let chooser = Chooser { table, column: &column.name, limits, salt, distinct, keys: self.keys };
        let value = chooser.choose(&column.kind)?;
        let in_key =
            self.table.unique.iter().chain([&self.table.primary_key]).any(|key| key.contains(&column.name));
        Ok(Some(Source { salt, nullable: !self.is_required(column) && !in_key, from: Origin::Made(value) }))
    }

    fn is_required(&self, column: &Column) -> bool {
        let refused = self.limits.get(&column.name).is_some_and(|limits| limits.not_null);
        column.not_null || refused || self.table.primary_key.contains(&column.name)
    }
}

fn omission(column: &Column) -> Omitted {
    let left_to = if column.default.is_some() { "its default" } else { "NULL" };
    Omitted {
        column: column.name.clone(),
        why: format!("values of type `{}` are not made, it is left to {left_to}", column.sql_type),
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Int(number) => Some(*number as f64),
        Cell::Real(number) => Some(*number),
        Cell::Text(text) => text.parse().ok(),
        Cell::Null | Cell::Blob(_) => None,
    }
}

/// Returns a parent value as COPY text.
fn copy_text(cell: &Cell) -> Vec<u8> {
    let mut out = match cell {
        Cell::Null => return b"\\N".to_vec(),
        Cell::Int(number) => number.to_string().into_bytes(),
        Cell::Real(number) => number.to_string().into_bytes(),
        Cell::Text(text) => text.clone().into_bytes(),
        Cell::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{hex}").into_bytes()
        }
    };
    escape(&mut out, 0, copy_escape);
    out
}
