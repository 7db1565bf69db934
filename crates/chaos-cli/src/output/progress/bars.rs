//! The live view on a terminal: one line for the phase of the experiment, and one bar for each step.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chaos_core::{RecordBody, StepId};
use chaos_engine::report::duration_words;
use chaos_engine::{EngineEvent, EventSink};
use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::story::Story;

/// How often the picture is drawn while nothing happens.
const TICK: Duration = Duration::from_millis(120);

/// How many steps have a line of their own; a terminal has no room for more.
const STEPS_SHOWN: usize = 16;

/// Shows a run as bars.
pub struct Bars {
    bars: MultiProgress,
    colored: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    story: Story,
    phase: Option<ProgressBar>,
    steps: HashMap<StepId, ProgressBar>,
}

impl Bars {
    /// Shows a run among these bars; every line of it begins with `prefix`.
    pub fn new(bars: MultiProgress, colored: bool, prefix: &str) -> Self {
        let state = State { story: Story::with_prefix(prefix), ..State::default() };
        Self { bars, colored, state: Mutex::new(state) }
    }

    fn recorded(&self, state: &mut State, body: &RecordBody) {
        let line = state.story.line(body);
        match body {
            RecordBody::ExperimentStarted { .. } => {
                self.begin_phase(state, line.unwrap_or_default());
            }
            RecordBody::HoldStarted { experiment } => {
                let hold = state.story.hold_ms(*experiment);
                let phase = self.phase(state);
                phase.reset_elapsed();
                phase.set_style(self.holding(hold));
            }
            RecordBody::RollbackStarted { .. } => {
                let phase = self.phase(state);
                phase.set_style(self.spinner());
                phase.set_message(line.unwrap_or_default());
                // The undo has a pace of its own.
                state.steps.values().for_each(ProgressBar::reset);
            }
            RecordBody::ExperimentEnded { .. } | RecordBody::Closed { .. } => state.clear(&self.bars),
            RecordBody::Intended { planned: step, .. } => self.tell_step(state, step.id, line),
            RecordBody::Injected { step, .. }
            | RecordBody::Failed { step, .. }
            | RecordBody::Measured { step, .. }
            | RecordBody::Reverted { step, .. }
            | RecordBody::RevertFailed { step, .. }
            | RecordBody::Accepted { step } => self.tell_step(state, *step, line),
            RecordBody::Stuck { .. } | RecordBody::DamageAccepted => self.tell(line),
            RecordBody::Opened { .. }
            | RecordBody::Planned { .. }
            | RecordBody::GuardianStarted { .. }
            | RecordBody::Armed { .. }
            | RecordBody::Disarmed { .. } => {}
        }
    }

    /// A line that stays when the bars are gone.
    fn tell(&self, line: Option<String>) {
        if let Some(line) = line {
            super::say(&line);
        }
    }

    fn tell_step(&self, state: &mut State, step: StepId, line: Option<String>) {
        let Some(bar) = self.step(state, step) else { return self.tell(line) };
        bar.set_style(self.words());
        bar.set_message(line.unwrap_or_default());
    }

    fn progress(&self, state: &mut State, step: StepId, unit: &str, done: u64, total: u64) {
        let name = state.story.titled(step);
        let Some(bar) = self.step(state, step) else { return };
        // The undo counts from zero again; so must the rate.
        if bar.length() != Some(total) || done < bar.position() {
            bar.reset();
            bar.set_length(total);
        }
        bar.set_style(self.counting(unit));
        bar.set_message(name);
        bar.set_position(done);
    }

    fn begin_phase(&self, state: &mut State, message: String) {
        state.clear(&self.bars);
        let phase = self.phase(state);
        phase.set_message(message);
    }

    fn phase(&self, state: &mut State) -> ProgressBar {
        let phase = state.phase.get_or_insert_with(|| {
            let phase = self.bars.insert(0, ProgressBar::no_length());
            phase.set_style(self.spinner());
            phase.enable_steady_tick(TICK);
            phase
        });
        phase.clone()
    }

    fn step(&self, state: &mut State, step: StepId) -> Option<ProgressBar> {
        if !state.steps.contains_key(&step) && state.steps.len() >= STEPS_SHOWN {
            return None;
        }
        let bar = state.steps.entry(step).or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::no_length());
            bar.set_style(self.words());
            bar
        });
        Some(bar.clone())
    }

    fn style(&self, painted: &str, plain: &str) -> ProgressStyle {
        let template = if self.colored { painted } else { plain };
        // A template that cannot be read would be a typo here; the default shows the same numbers.
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
    }

    fn spinner(&self) -> ProgressStyle {
        self.style("{spinner:.cyan} {msg:.bold}", "{spinner} {msg}")
    }

    fn words(&self) -> ProgressStyle {
        self.style("  {wide_msg}", "  {wide_msg}")
    }

    fn counting(&self, unit: &str) -> ProgressStyle {
        let tail = format!("{{human_pos}}/{{human_len}} {unit}, {{rate}} {unit}/s, {{eta}} left");
        let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
            // A rate is never negative, and its fraction says nothing. What cannot be drawn is drawn again soon.
            let _ = write!(out, "{}", HumanCount(state.per_sec() as u64));
        };
        self.style(&format!("  {{msg}} {{bar:24.cyan/dim}} {tail}"), &format!("  {{msg}} {{bar:24}} {tail}"))
            .with_key("rate", rate)
    }

    fn holding(&self, hold: u64) -> ProgressStyle {
        let left = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let held = u64::try_from(state.elapsed().as_millis()).unwrap_or(u64::MAX);
            // Whole seconds: nobody reads more from a line that moves.
            let left = hold.saturating_sub(held).div_ceil(1000) * 1000;
            // A line that cannot be drawn is drawn again soon.
            let _ = write!(out, "{} of {}", duration_words(left), duration_words(hold));
        };
        self.style(
            "{spinner:.yellow} {msg:.bold}; holding, {left} left",
            "{spinner} {msg}; holding, {left} left",
        )
        .with_key("left", left)
    }
}

impl State {
    fn clear(&mut self, bars: &MultiProgress) {
        for bar in self.steps.drain().map(|(_, bar)| bar).chain(self.phase.take()) {
            bar.finish_and_clear();
            bars.remove(&bar);
        }
    }
}

impl EventSink for Bars {
    fn event(&self, event: EngineEvent<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            EngineEvent::Recorded(body) => self.recorded(&mut state, body),
            EngineEvent::Progress { step, unit, done, total } => {
                self.progress(&mut state, step, unit, done, total);
            }
            EngineEvent::Notice(text) => self.tell(Some(text)),
        }
    }
}
