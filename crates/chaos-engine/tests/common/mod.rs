//! An engine over worlds in memory, with its journals in a scratch directory.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "every test file uses its own part; a test ends where something is off"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chaos_core::experiment::FaultUse;
use chaos_core::{Catalog, ExitCode, ResourceFilter, RunId, SystemClock};
use chaos_engine::events::Silent;
use chaos_engine::journal::Journal;
use chaos_engine::{
    ConfigLoader, ConfigPlace, Engine, EngineError, EngineOptions, ExperimentRequest, FoundConfig,
    PrepareMode, Prepared, RecoverOptions, RunOutcome, StateDir, StopSignal, TargetRequest,
};
use chaos_policy::{Limits, review};
use chaos_testkit::{FakeWorld, World};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long faults are held unless a test says otherwise. The clock of the runtime is paused, so nobody waits.
const HOLD: Duration = Duration::from_secs(2);

/// What stands in every configuration and must stand nowhere else.
pub const SECRET: &str = "hunter2";

pub struct Setup {
    pub world: FakeWorld,
    /// Another system, for runs of several experiments.
    pub second: FakeWorld,
    pub options: EngineOptions,
    pub parallel: bool,
    pub hold: Duration,
    /// Worlds beside these two.
    pub others: Vec<FakeWorld>,
    /// What the file of experiments holds now.
    pub file: Option<Value>,
    /// The world that answers now, whatever the journal kept.
    answers: Option<String>,
    state: PathBuf,
    /// Removes the state directory with the last setup that uses it.
    scratch: Option<Arc<TempDir>>,
    last_run: Mutex<Option<RunId>>,
}

/// Hands out the configuration that the journal kept, or that a file holds.
struct AsKept {
    answers: Option<String>,
    file: Option<Value>,
}

impl ConfigLoader for AsKept {
    fn load(&self, _place: &ConfigPlace<'_>) -> Result<FoundConfig, String> {
        let config = self.file.clone().ok_or("there is no file")?;
        Ok(FoundConfig { config: config.clone(), as_written: config })
    }

    fn resolve(&self, config: &Value) -> Result<Value, String> {
        Ok(match &self.answers {
            Some(world) => json!({ "world": world }),
            None => config.clone(),
        })
    }
}

pub fn set(params: Value) -> FaultUse {
    FaultUse { fault: "fake.set_cells".into(), params, count: 1, target: 0 }
}

pub fn lock(params: Value) -> FaultUse {
    FaultUse { fault: "fake.lock_cells".into(), params, count: 1, target: 0 }
}

/// Three uses of two kinds.
pub fn several() -> Vec<FaultUse> {
    vec![
        set(json!({"cells": ["cell_1", "cell_2"]})),
        set(json!({"cells": ["cell_2"], "value": "more"})),
        lock(json!({"cells": ["cell_3"]})),
    ]
}

impl Setup {
    pub fn new(cells: usize) -> Self {
        Self::over(FakeWorld::new("world", cells))
    }

    /// Over a world that is there already.
    pub fn over(world: FakeWorld) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        Self {
            world,
            second: FakeWorld::new("second", 2),
            options: EngineOptions::default(),
            parallel: false,
            hold: HOLD,
            others: Vec::new(),
            file: None,
            answers: None,
            state: scratch.path().to_owned(),
            scratch: Some(Arc::new(scratch)),
            last_run: Mutex::default(),
        }
    }

    pub fn parallel(mut self) -> Self {
        self.parallel = true;
        self
    }

    /// With its journals in a folder that stays.
    pub fn in_folder(self, folder: &Path) -> Self {
        Self { state: folder.to_owned(), scratch: None, ..self }
    }

    /// The same journals, but another world answers.
    pub fn replaced_by(&self, world: FakeWorld) -> Self {
        let answers = Some(world.name().to_owned());
        let (state, scratch) = (self.state.clone(), self.scratch.clone());
        Self { answers, state, scratch, options: self.options.clone(), ..Self::over(world) }
    }

    /// Returns where journals and locks are.
    pub fn runs(&self) -> PathBuf {
        self.state.join("runs")
    }

    pub fn engine(&self) -> Engine {
        let state = StateDir::resolve(Some(self.state.clone())).unwrap();
        let two = [self.world.clone(), self.second.clone()];
        let worlds = two.into_iter().chain(self.others.iter().cloned()).collect();
        let catalog: Catalog = chaos_testkit::fake::catalog(worlds);
        let loader = Arc::new(AsKept { answers: self.answers.clone(), file: self.file.clone() });
        Engine::new(catalog, state, Arc::new(Silent), loader, Arc::new(SystemClock), self.options.clone())
    }

    pub fn request(&self, world: &FakeWorld, uses: Vec<FaultUse>) -> ExperimentRequest {
        let config = json!({"world": world.name(), "password": SECRET});
        let target = TargetRequest {
            name: String::new(),
            kind: "fake".into(),
            config: config.clone(),
            config_as_written: config,
        };
        ExperimentRequest {
            name: format!("on {}", world.name()),
            targets: vec![target],
            hold: self.hold,
            parallel: self.parallel,
            filter: ResourceFilter::default(),
            file: None,
            index: 0,
            uses,
        }
    }

    /// An experiment on targets with these names and configurations; each use says by its place which one it acts on.
    pub fn mixed(&self, targets: Vec<(&str, Value)>, uses: Vec<FaultUse>) -> ExperimentRequest {
        let target = |(name, config): (&str, Value)| TargetRequest {
            name: name.to_owned(),
            kind: "fake".into(),
            config: config.clone(),
            config_as_written: config,
        };
        let targets = targets.into_iter().map(target).collect();
        ExperimentRequest { name: "mixed".into(), targets, ..self.request(&self.world, uses) }
    }

    pub async fn prepare(&self, uses: Vec<FaultUse>) -> Result<Prepared, EngineError> {
        self.prepare_all(vec![self.request(&self.world, uses)]).await
    }

    pub async fn prepare_all(&self, requests: Vec<ExperimentRequest>) -> Result<Prepared, EngineError> {
        let prepared = self.engine().prepare(requests, 7, PrepareMode::Run, &StopSignal::default()).await?;
        *self.last_run.lock().unwrap() = Some(prepared.plan.run.clone());
        Ok(prepared)
    }

    pub async fn run(&self, uses: Vec<FaultUse>) -> RunOutcome {
        self.run_with(uses, &StopSignal::default()).await
    }

    pub async fn run_with(&self, uses: Vec<FaultUse>, stop: &StopSignal) -> RunOutcome {
        self.run_all(vec![self.request(&self.world, uses)], stop).await
    }

    pub async fn run_all(&self, requests: Vec<ExperimentRequest>, stop: &StopSignal) -> RunOutcome {
        let Prepared { plan, targets } = self.prepare_all(requests).await.unwrap();
        let approved = review(plan, &Limits::default()).unwrap();
        self.engine().execute(approved, targets, stop).await.unwrap()
    }

    pub async fn run_on(&self, journal: Arc<dyn Journal>, uses: Vec<FaultUse>) -> ExitCode {
        let Prepared { plan, targets } = self.prepare(uses).await.unwrap();
        let approved = review(plan, &Limits::default()).unwrap();
        self.engine().execute_on(journal, approved, targets, &StopSignal::default()).await.unwrap()
    }

    /// Runs until `effects` effects were seen in the world, and dies there.
    pub async fn run_until_death(&self, uses: Vec<FaultUse>, effects: u64) {
        let fuse = self.world.fuse().unwrap();
        fuse.burn_after(effects);
        tokio::select! {
            _ = self.run(uses) => panic!("it lived"),
            () = fuse.burnt() => {}
        }
        fuse.mend();
    }

    /// Recovers every run that is not clean, as the next process does.
    pub async fn recover_all(&self) {
        let engine = self.engine();
        for dead in engine.unresolved().unwrap() {
            let outcome = engine.recover(&dead.run, &RecoverOptions::default()).await.unwrap();
            assert_eq!(outcome.exit, ExitCode::Done, "{outcome:?}");
        }
    }

    /// Recovers until `effects` effects were seen in the world, and dies there. Returns whether it came that far.
    pub async fn recover_until_death(&self, effects: u64) -> bool {
        let fuse = self.world.fuse().unwrap();
        fuse.burn_after(effects);
        let died = tokio::select! {
            () = self.recover_all() => false,
            () = fuse.burnt() => true,
        };
        fuse.mend();
        died
    }

    /// Claims that nothing is left, in the world and in the journals.
    pub fn assert_clean(&self, before: &str, when: &str) {
        assert_eq!(self.world.dump(), before, "{when}");
        let unresolved = self.engine().unresolved().unwrap();
        assert!(unresolved.is_empty(), "{when}: {unresolved:?}");
    }

    /// Waits until the world looks as wanted.
    pub async fn until(&self, wanted: impl Fn(&FakeWorld) -> bool) {
        while !wanted(&self.world) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a journal holds this text.
    pub async fn until_journal_holds(&self, text: &str) {
        let holds = || {
            // The run creates the folder, and maybe not yet.
            let Ok(files) = std::fs::read_dir(self.runs()) else { return false };
            let mut files = files.map(|entry| entry.unwrap().path());
            files.any(|file| std::fs::read_to_string(file).unwrap().contains(text))
        };
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn effects(&self) -> u64 {
        self.world.fuse().unwrap().count()
    }

    pub fn run_id(&self) -> RunId {
        self.last_run.lock().unwrap().clone().unwrap()
    }
}
