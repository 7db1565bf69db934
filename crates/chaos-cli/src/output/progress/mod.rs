//! How people see a run while it goes on: bars on a terminal, plain lines otherwise. All of it goes to stderr.

mod bars;
mod lines;
mod story;

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, OnceLock};

use chaos_engine::EventSink;
use indicatif::MultiProgress;

/// The bars of this process, once there are any; whatever else is written to stderr must step around them.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Returns what shows a run on this stderr.
pub fn watcher(colored: bool) -> Arc<dyn EventSink> {
    watcher_of("", colored)
}

/// Returns what shows one of several runs on this stderr; every line of it begins with `prefix`.
pub fn watcher_of(prefix: &str, colored: bool) -> Arc<dyn EventSink> {
    match io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
        true => Arc::new(bars::Bars::new(BARS.get_or_init(MultiProgress::new).clone(), colored, prefix)),
        false => Arc::new(lines::Lines::new(prefix)),
    }
}

/// Writes one line to stderr, above any bars.
pub fn say(line: &str) {
    let text = format!("{line}\n");
    // Where stderr is gone there is nobody to tell, and the run goes on.
    let _ = above_bars(|| io::stderr().write_all(text.as_bytes()));
}

/// Does some writing while the bars stand aside.
pub fn above_bars<T>(write: impl FnOnce() -> T) -> T {
    match BARS.get() {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}
