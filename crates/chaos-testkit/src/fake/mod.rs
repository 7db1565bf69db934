//! A world in memory: named cells with revisions, helper entries, locks. Every change is one countable effect.

mod lock_cells;
mod set_cells;
mod target;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chaos_core::{Catalog, Failure, FaultError, erase, erase_connector};
use serde::{Deserialize, Serialize};

use crate::fuse::Fuse;
use crate::world::World;

pub use lock_cells::{CellLock, LockCells, LockCellsParams, LockCellsStep};
pub use set_cells::{SetCells, SetCellsParams, SetCellsStep, Trouble};
pub use target::{FakeConfig, FakeConnector, FakeTarget};

/// Returns a catalogue that reaches `worlds` and has every fake fault.
pub fn catalog(worlds: Vec<FakeWorld>) -> Catalog {
    Catalog {
        faults: vec![erase(SetCells), erase(LockCells)],
        connectors: vec![erase_connector(FakeConnector::new(worlds))],
    }
}

/// A world in memory. Clones are the same world.
#[derive(Debug, Clone)]
pub struct FakeWorld {
    name: String,
    cells: usize,
    state: Arc<Mutex<State>>,
    fuse: Fuse,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    cells: BTreeMap<String, Cell>,
    helpers: BTreeMap<String, String>,
    /// Locked cells, and the name of who locked each. They end with whoever holds them.
    #[serde(skip)]
    locks: BTreeMap<String, String>,
    /// How many writes there were.
    writes: u64,
    /// How many connections are refused from now on.
    #[serde(skip)]
    refusals: u32,
    /// Whether nobody is let in.
    #[serde(skip)]
    locked_out: bool,
    /// Whether a connection that was made is said to be there still.
    #[serde(skip)]
    keeps_connections: bool,
    /// How long a connection takes.
    #[serde(skip)]
    delay: Duration,
}

/// One cell of a world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What it holds.
    pub value: String,
    /// Another one after every write, and the old one again after an undo.
    pub revision: u64,
}

impl FakeWorld {
    /// Makes a world called `name` with `cells` cells: `cell_1` holds `value 1`, and so on.
    pub fn new(name: &str, cells: usize) -> Self {
        let state = State {
            cells: (1..=cells)
                .map(|n| (format!("cell_{n}"), Cell { value: format!("value {n}"), revision: 0 }))
                .collect(),
            ..State::default()
        };
        Self { name: name.to_owned(), cells, state: Arc::new(Mutex::new(state)), fuse: Fuse::default() }
    }

    /// Dies together with another world: whoever acts on both is one process.
    #[must_use]
    pub fn dying_with(self, other: &Self) -> Self {
        Self { fuse: other.fuse.clone(), ..self }
    }

    /// Makes the world again that [`save`](Self::save) has written down.
    pub fn load(name: &str, text: &str) -> Self {
        let state: State = serde_json::from_str(text).expect("it was written by a world");
        let cells = state.cells.len();
        Self { name: name.to_owned(), cells, state: Arc::new(Mutex::new(state)), fuse: Fuse::default() }
    }

    /// Writes down all that outlives the processes that act on it, as JSON.
    pub fn save(&self) -> String {
        serde_json::to_string_pretty(&*self.state()).expect("a world is JSON")
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Somebody else writes a cell, whether we live or not.
    pub fn foreign_write(&self, cell: &str, value: &str) {
        self.state().write(cell, value);
    }

    /// Refuses this many connections from now on.
    pub fn refuse(&self, connections: u32) {
        self.state().refusals = connections;
    }

    /// Lets nobody in from now on, as where a password was changed; or everybody again.
    pub fn lock_out(&self, is_locked_out: bool) {
        self.state().locked_out = is_locked_out;
    }

    /// Says from now on that a connection which was made still reaches it.
    pub fn keep_connections(&self) {
        self.state().keeps_connections = true;
    }

    /// Answers a connection, or the end of a session, only after this time, from now on.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Ends every lock, as a restart of a server does, and returns how many there were.
    pub fn end_locks(&self) -> usize {
        std::mem::take(&mut self.state().locks).len()
    }

    /// Returns what a cell holds, to a test.
    pub fn value(&self, cell: &str) -> Option<String> {
        self.state().cells.get(cell).map(|cell| cell.value.clone())
    }

    /// Returns the names of the helper entries, to a test.
    pub fn helper_names(&self) -> Vec<String> {
        self.state().helpers.keys().cloned().collect()
    }

    /// Returns everything as text, to a test. Revisions are not part of it.
    pub fn dump(&self) -> String {
        let state = self.state();
        let mut text = String::new();
        for (name, cell) in &state.cells {
            writeln!(text, "{name} = {}", cell.value).expect("a string takes everything");
        }
        for (name, helper) in &state.helpers {
            writeln!(text, "helper {name} = {helper}").expect("a string takes everything");
        }
        for (name, owner) in &state.locks {
            writeln!(text, "lock {name} by {owner}").expect("a string takes everything");
        }
        text
    }

    /// Waits as long as an answer takes.
    pub(crate) async fn delayed(&self) {
        let delay = self.state().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// Reads the names of the cells.
    pub(crate) async fn names(&self) -> Vec<String> {
        self.read(|state| state.cells.keys().cloned().collect()).await
    }

    pub(crate) async fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        self.fuse.alive().await;
        read(&self.state())
    }

    /// Puts a helper entry where there was none, or leaves it.
    pub async fn put_helper(&self, name: &str, text: &str) {
        self.fuse.effect(|| self.state().helpers.insert(name.to_owned(), text.to_owned())).await;
    }

    /// Removes a helper entry, if it is there.
    pub async fn remove_helper(&self, name: &str) {
        if self.read(|state| state.helpers.contains_key(name)).await {
            self.fuse.effect(|| self.state().helpers.remove(name)).await;
        }
    }

    /// Returns the helper entries whose names begin with `prefix`.
    pub async fn helpers(&self, prefix: &str) -> Vec<(String, String)> {
        let ours = |state: &State| {
            let found = state.helpers.iter().filter(|(name, _)| name.starts_with(prefix));
            found.map(|(name, text)| (name.clone(), text.clone())).collect()
        };
        self.read(ours).await
    }

    /// Writes a cell, whoever wrote it before.
    pub async fn write_cell(&self, cell: &str, value: &str) {
        self.fuse.effect(|| self.state().write(cell, value)).await;
    }

    /// Changes several things at once: all of it happens, or nothing. Refused with [`FaultError::Busy`] where somebody else
    /// has locked the cell.
    pub(crate) async fn transaction<T>(
        &self,
        cell: &str,
        by: &str,
        change: impl FnOnce(&mut State) -> Result<T, FaultError>,
    ) -> Result<T, FaultError> {
        let attempt = || {
            let mut state = self.state();
            match state.locks.get(cell) {
                Some(owner) if owner != by => {
                    Err(FaultError::Busy(Failure::new(format!("write `{cell}`, which is locked"))))
                }
                Some(_) | None => change(&mut state),
            }
        };
        self.fuse.effect(attempt).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes a cell and returns its new revision.
    fn write(&mut self, cell: &str, value: &str) -> u64 {
        self.writes += 1;
        let revision = self.writes;
        self.cells.insert(cell.to_owned(), Cell { value: value.to_owned(), revision });
        revision
    }
}

impl World for FakeWorld {
    type Target = FakeTarget;

    async fn fresh(&self) -> Self {
        Self::new(&self.name, self.cells)
    }

    async fn connect(&self) -> FakeTarget {
        FakeTarget::new(self.clone())
    }

    async fn snapshot(&self) -> String {
        self.dump()
    }

    fn fuse(&self) -> Option<&Fuse> {
        Some(&self.fuse)
    }
}
