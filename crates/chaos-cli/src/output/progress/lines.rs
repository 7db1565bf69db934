//! The live view where there is no terminal: one line for each thing, and now and then how far the work is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chaos_core::{RecordBody, StepId};
use chaos_engine::{EngineEvent, EventSink};

use super::story::Story;

/// How often one step says how far it is. A log of a long run must stay readable.
const EVERY: Duration = Duration::from_secs(5);

/// Tells a run in lines.
#[derive(Debug, Default)]
pub struct Lines {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    story: Story,
    paces: HashMap<StepId, Pace>,
}

/// How fast a step is, since its work began.
#[derive(Debug)]
struct Pace {
    began: Instant,
    told: Instant,
    done: u64,
}

impl Lines {
    /// Tells a run whose every line begins with `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self { state: Mutex::new(State { story: Story::with_prefix(prefix), ..State::default() }) }
    }
}

impl EventSink for Lines {
    fn event(&self, event: EngineEvent<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let line = match event {
            EngineEvent::Recorded(body) => {
                if matches!(body, RecordBody::RollbackStarted { .. }) {
                    // The undo has a pace of its own.
                    state.paces.clear();
                }
                state.story.line(body)
            }
            EngineEvent::Progress { step, unit, done, total } => {
                state.progress(step, unit, done, total, Instant::now())
            }
            EngineEvent::Notice(text) => Some(text),
        };
        drop(state);
        if let Some(line) = line {
            super::say(&line);
        }
    }
}

impl State {
    fn progress(&mut self, step: StepId, unit: &str, done: u64, total: u64, now: Instant) -> Option<String> {
        let pace = self.paces.entry(step).or_insert(Pace { began: now, told: now, done });
        if done < pace.done {
            // The undo counts from zero again.
            *pace = Pace { began: now, told: now, done };
        }
        pace.done = done;
        if now.duration_since(pace.told) < EVERY {
            return None;
        }
        pace.told = now;
        // Never zero: a line is told after EVERY at the earliest.
        let rate = done as f64 / now.duration_since(pace.began).as_secs_f64();
        let left = total.saturating_sub(done) as f64 / rate.max(f64::MIN_POSITIVE);
        let left = if left < 86_400.0 { format!(", {left:.0} s left") } else { String::new() };
        Some(format!("{}: {done} of {total} {unit}, {rate:.0} {unit}/s{left}", self.story.titled(step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_with_rate_and_rest_but_not_too_often() {
        let mut state = State::default();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(state.progress(StepId(1), "rows", 0, 100, at(0)), None);
        assert_eq!(state.progress(StepId(1), "rows", 20, 100, at(4)), None);
        let told = state.progress(StepId(1), "rows", 50, 100, at(5));
        assert_eq!(told.as_deref(), Some("step 1: 50 of 100 rows, 10 rows/s, 5 s left"));
        assert_eq!(state.progress(StepId(1), "rows", 60, 100, at(6)), None);
    }
}
