//! Crash points: named places where a test build can be made to die as if by `kill -9`.
//!
//! Without the cargo feature `crash-points` a point compiles to nothing. With it, two environment variables act:
//! `CHAOS_CRASH_TRACE=FILE` appends the name of every point passed, and `CHAOS_CRASH_AT=NAME` or `NAME#3` calls the
//! installed killer at the first (third) passing of that point. The binary installs one that raises SIGKILL; tests
//! inside one process use [`arm`] with a killer that panics.

/// Marks a place where the process may be killed. `name` is dotted, as `pg.insert.before_commit`.
#[inline]
pub fn crash_point(name: &str) {
    #[cfg(feature = "crash-points")]
    enabled::passed(name);
    #[cfg(not(feature = "crash-points"))]
    let _ = name;
}

#[cfg(feature = "crash-points")]
pub use enabled::{arm, install_killer, trace_start, trace_take};

#[cfg(feature = "crash-points")]
mod enabled {
    use std::collections::HashMap;
    use std::io::Write;
    use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

    static KILLER: OnceLock<fn()> = OnceLock::new();
    static STATE: Mutex<Option<State>> = Mutex::new(None);

    #[derive(Default)]
    struct State {
        armed: Option<(String, u32)>,
        passed: HashMap<String, u32>,
        trace_file: Option<String>,
        trace: Option<Vec<String>>,
    }

    impl State {
        fn from_environment() -> Self {
            let armed = std::env::var("CHAOS_CRASH_AT").ok().map(|text| match text.split_once('#') {
                Some((point, nth)) => (point.to_owned(), nth.parse().unwrap_or(1)),
                None => (text, 1),
            });
            Self { armed, trace_file: std::env::var("CHAOS_CRASH_TRACE").ok(), ..Self::default() }
        }
    }

    /// Sets what ends the process, or the task, at the armed point.
    pub fn install_killer(killer: fn()) {
        // A second call changes nothing: the first killer is as deadly.
        let _ = KILLER.set(killer);
    }

    /// Arms the `nth` passing of `point`, or disarms; the counts start again at zero.
    pub fn arm(point: Option<(String, u32)>) {
        let mut guard = lock();
        let state = guard.get_or_insert_default();
        state.armed = point;
        state.passed.clear();
    }

    /// Starts to collect the names of the points that are passed.
    pub fn trace_start() {
        lock().get_or_insert_default().trace = Some(Vec::new());
    }

    /// Ends the collection and returns the names in order.
    pub fn trace_take() -> Vec<String> {
        lock().get_or_insert_default().trace.take().unwrap_or_default()
    }

    fn lock() -> MutexGuard<'static, Option<State>> {
        STATE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn passed(name: &str) {
        if is_fatal(name)
            && let Some(kill) = KILLER.get()
        {
            kill();
        }
    }

    fn is_fatal(name: &str) -> bool {
        let mut guard = lock();
        let state = guard.get_or_insert_with(State::from_environment);
        if let Some(trace) = &mut state.trace {
            trace.push(name.to_owned());
        }
        if let Some(path) = &state.trace_file
            && let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path)
        {
            // A lost trace line makes the parent test try one point less; it compares the counts.
            let _ = writeln!(file, "{name}");
        }
        let count = state.passed.entry(name.to_owned()).or_insert(0);
        *count += 1;
        state.armed.as_ref().is_some_and(|(point, nth)| point == name && nth == count)
    }
}
