//! Hand-made journals for the tests of every form.

use chaos_core::record::Undoer;
use chaos_core::{
    Conflict, Effect, ExitCode, ExperimentPlan, Plan, PlannedStep, Quantity, Record, RecordBody,
    RevertOutcome, Reverted, Rope, RunId, StepFacts, StepId, TargetIdentity, TargetRef,
};
use std::time::Duration;

/// A run that went well: one insert, one setting.
pub(super) fn completed() -> Vec<Record> {
    let plan = plan("shop load", &["insert 1000 rows into public.users", "set work_mem to 4MB"]);
    let mut journal = Journal::begin(&plan);
    journal.inject_all(&plan);
    journal.push(RecordBody::HoldStarted { experiment: 0 });
    journal.wait(60_000);
    journal.rollback(Undoer::Run, "the hold of 1m is over");
    journal.push(RecordBody::Measured { step: StepId(2), effect: Effect::default().with("samples", 12) });
    journal.revert(2, restored(1));
    let mut reverted = restored(1000);
    reverted.notes.push("sequence public.users_id_seq has moved on by 1000".to_owned());
    journal.revert(1, reverted);
    journal.end(ExitCode::Done, Undoer::Run);
    journal.records
}

/// Somebody changed rows meanwhile.
pub(super) fn conflict() -> Vec<Record> {
    let plan = plan("shop load", &["insert 1000 rows into public.users"]);
    let mut journal = Journal::begin(&plan);
    journal.inject_all(&plan);
    journal.push(RecordBody::HoldStarted { experiment: 0 });
    journal.wait(2_000);
    journal.rollback(Undoer::Run, "the hold of 1m is over");
    let mut reverted = restored(979);
    for id in 0..21 {
        reverted.push_conflict(Conflict {
            what: format!("row (id)=({id}) of public.users"),
            found: "changed since by somebody else, left as it is".to_owned(),
        });
    }
    journal.push(RecordBody::Reverted { step: StepId(1), reverted });
    journal.end(ExitCode::LeftBehind, Undoer::Run);
    journal.records
}

/// The server went away and did not come back.
pub(super) fn stuck() -> Vec<Record> {
    let plan = plan("shop load", &["insert 1000 rows into public.users", "set work_mem to 4MB"]);
    let mut journal = Journal::begin(&plan);
    journal.inject_all(&plan);
    journal.push(RecordBody::HoldStarted { experiment: 0 });
    journal.rollback(Undoer::Run, "the hold of 1m is over");
    journal.revert(2, restored(1));
    for attempt in 1..=2 {
        let error = "connect to `127.0.0.1:5432`: connection refused".to_owned();
        journal.push(RecordBody::RevertFailed { step: StepId(1), attempt, error });
    }
    journal.push(RecordBody::Stuck {
        step: StepId(1),
        error: "connect to `127.0.0.1:5432`: connection refused".to_owned(),
        hint: Some("start the server, then run `chaos recover`".to_owned()),
    });
    journal.end(ExitCode::LeftBehind, Undoer::Run);
    journal.records
}

/// The second fault failed half-way; everything was undone.
pub(super) fn failed() -> Vec<Record> {
    let plan = plan("shop load", &["insert 1000 rows into public.users", "update 10 rows of public.users"]);
    let mut journal = Journal::begin(&plan);
    journal.inject(&plan, 0);
    journal.intend(&plan, 1);
    journal.push(RecordBody::Armed { step: StepId(2) });
    journal.push(RecordBody::Failed {
        step: StepId(2),
        error: "update `public.users`: deadlock detected".to_owned(),
        hint: None,
    });
    journal.rollback(Undoer::Run, "a fault failed");
    journal.revert(2, Reverted::new(RevertOutcome::NothingToDo));
    journal.revert(1, restored(1000));
    journal.end(ExitCode::FaultFailed, Undoer::Run);
    journal.records
}

/// The process died in the hold; nothing has undone it yet.
pub(super) fn crashed() -> Vec<Record> {
    let plan = plan("shop load", &["insert 1000 rows into public.users", "set work_mem to 4MB"]);
    let mut journal = Journal::begin(&plan);
    journal.inject_all(&plan);
    journal.push(RecordBody::HoldStarted { experiment: 0 });
    journal.records
}

/// The same, undone by a later process.
pub(super) fn recovered() -> Vec<Record> {
    let mut journal = Journal { records: crashed(), milliseconds: 90_000 };
    journal.push(RecordBody::RollbackStarted {
        experiment: None,
        by: Undoer::Recovery,
        reason: "the run died".to_owned(),
    });
    journal.revert(2, restored(1));
    journal.revert(1, restored(1000));
    journal.push(RecordBody::Closed { exit: ExitCode::Done, by: Undoer::Recovery });
    journal.records
}

/// The run died in the hold, and the targets of some of its steps ended them before a recovery came.
pub(super) fn found_undone(steps: &[u32]) -> Vec<Record> {
    let mut journal = Journal { records: crashed(), milliseconds: 90_000 };
    journal.rollback(Undoer::Recovery, "the run died");
    for step in [2, 1] {
        let mut reverted = restored(1000);
        if steps.contains(&step) {
            reverted.outcome = RevertOutcome::AlreadyUndone;
            reverted.notes.push("already undone by the target: its deadline had come".to_owned());
        }
        journal.revert(step, reverted);
    }
    journal.records
}

/// The run held to the end and could not undo; the deadline on the target came, and then a recovery.
pub(super) fn undone_late() -> Vec<Record> {
    let mut journal = Journal { records: stuck(), milliseconds: 90_000 };
    journal.rollback(Undoer::Recovery, "somebody asked");
    let mut reverted = Reverted::new(RevertOutcome::AlreadyUndone);
    reverted.notes.push("already undone by the target: its deadline had come".to_owned());
    journal.revert(1, reverted);
    journal.records
}

/// The conflicts of a run are undone in part by a second recovery, and then in whole.
pub(super) fn undone_in_parts(parts: &[Reverted]) -> Vec<Record> {
    let mut journal = Journal { records: conflict(), milliseconds: 90_000 };
    for reverted in parts {
        journal.rollback(Undoer::Recovery, "somebody asked");
        journal.push(RecordBody::Reverted { step: StepId(1), reverted: reverted.clone() });
    }
    journal.records
}

/// Everybody who may choose a name is hostile.
pub(super) fn hostile() -> Vec<Record> {
    let name = "</title><script>alert(\"1\")</script> & 'x' | `y`";
    let mut plan =
        plan(name, &["insert 1 row into public.\"<img src=x onerror=alert(1)>\"\u{1b}[31m\nRun: completed"]);
    plan.experiments[0].targets[0].identity.label = "postgres://127.0.0.1/a\"b'c<d>&e".to_owned();
    let mut journal = Journal::begin(&plan);
    journal.inject_all(&plan);
    journal.rollback(Undoer::Run, "<b>because</b>");
    let mut reverted = restored(1);
    reverted.notes.push("]]></system-out><failure/>".to_owned());
    reverted.push_conflict(Conflict {
        what: "row (\"</td>\")".to_owned(),
        found: "\u{202e}gone\u{0}".to_owned(),
    });
    journal.push(RecordBody::Reverted { step: StepId(1), reverted });
    journal.end(ExitCode::LeftBehind, Undoer::Run);
    journal.records
}

pub(super) fn restored(rows: u64) -> Reverted {
    Reverted { effect: Effect::default().with("rows", rows), ..Reverted::new(RevertOutcome::Restored) }
}

fn plan(name: &str, summaries: &[&str]) -> Plan {
    let target = TargetRef {
        kind: "database".to_owned(),
        identity: TargetIdentity {
            product: "PostgreSQL 15.18".to_owned(),
            label: "postgres://chaos@127.0.0.1:5432/shop".to_owned(),
            fingerprint: "7301-16384".to_owned(),
            names: Vec::new(),
        },
        config: serde_json::json!({"connection_url": "postgres://chaos@127.0.0.1:5432/shop"}),
        file: None,
        index: 0,
        name: String::new(),
        member: String::new(),
        at_once: None,
    };
    let steps = summaries.iter().zip(1..).map(|(summary, number)| step(number, summary)).collect();
    let hold = Duration::from_secs(60);
    let experiment = ExperimentPlan {
        name: name.to_owned(),
        hold,
        parallel: false,
        targets: vec![target],
        skipped: Vec::new(),
        notes: Vec::new(),
        steps,
    };
    Plan { run: run(), seed: 42, experiments: vec![experiment] }
}

fn run() -> RunId {
    "20261121-084512-k3vq".parse().unwrap()
}

fn step(number: u32, summary: &str) -> PlannedStep {
    PlannedStep {
        id: StepId(number),
        fault: if summary.starts_with("set") { "db.config_change" } else { "db.insert_load" }.to_owned(),
        summary: summary.to_owned(),
        facts: StepFacts {
            undo: "take back what was done, and read it back".to_owned(),
            rope: Rope::None,
            claims: Vec::new(),
            quantity: Quantity::default(),
            names: Vec::new(),
        },
        step: serde_json::json!({}),
        target: 0,
        wave: number,
    }
}

struct Journal {
    records: Vec<Record>,
    milliseconds: i64,
}

impl Journal {
    fn begin(plan: &Plan) -> Self {
        let mut journal = Self { records: Vec::new(), milliseconds: 0 };
        journal.push(RecordBody::Opened { version: 1, run: run(), chaos: "0.1.0".to_owned() });
        journal.push(RecordBody::Planned { plan: plan.clone() });
        journal.push(RecordBody::GuardianStarted { pid: 4711 });
        journal.push(RecordBody::ExperimentStarted { experiment: 0 });
        journal
    }

    fn push(&mut self, body: RecordBody) {
        let at = jiff::Timestamp::from_millisecond(1_795_250_712_000 + self.milliseconds).unwrap();
        self.records.push(Record { at, body });
        self.wait(10);
    }

    fn wait(&mut self, milliseconds: i64) {
        self.milliseconds += milliseconds;
    }

    fn intend(&mut self, plan: &Plan, index: usize) {
        let planned = plan.experiments[0].steps[index].clone();
        let target = Box::new(plan.experiments[0].targets[0].clone());
        let planned = Box::new(planned);
        self.push(RecordBody::Intended { experiment: 0, target, planned });
    }

    fn inject(&mut self, plan: &Plan, index: usize) {
        self.intend(plan, index);
        let step = plan.experiments[0].steps[index].id;
        self.push(RecordBody::Armed { step });
        self.wait(500);
        self.push(RecordBody::Injected { step, effect: Effect::default().with("rows", 1000) });
    }

    fn inject_all(&mut self, plan: &Plan) {
        for index in 0..plan.experiments[0].steps.len() {
            self.inject(plan, index);
        }
    }

    fn rollback(&mut self, by: Undoer, reason: &str) {
        self.push(RecordBody::RollbackStarted { experiment: Some(0), by, reason: reason.to_owned() });
    }

    fn revert(&mut self, step: u32, reverted: Reverted) {
        self.push(RecordBody::Reverted { step: StepId(step), reverted });
        self.push(RecordBody::Disarmed { step: StepId(step) });
    }

    fn end(&mut self, exit: ExitCode, by: Undoer) {
        self.push(RecordBody::ExperimentEnded { experiment: 0 });
        self.push(RecordBody::Closed { exit, by });
    }
}
