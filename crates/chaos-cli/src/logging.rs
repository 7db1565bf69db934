//! Logs: for operators, on stderr.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::output::progress;

/// The crates of ours that log.
const OURS: [&str; 7] =
    ["chaos", "chaos_core", "chaos_engine", "chaos_policy", "chaos_db", "chaos_host", "chaos_server"];

/// Starts logging. RUST_LOG goes before the flags.
pub fn start(verbose: u8, colored: bool) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    // Libraries speak a level more quietly: their debug lines drown ours.
    let libraries = if verbose > 2 { "debug" } else { "warn" };
    let ours = OURS.map(|krate| format!(",{krate}={level}")).concat();
    let default = format!("{libraries}{ours}");
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::new(filter),
        _ => EnvFilter::new(default),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colored).with_writer(AboveBars).init();
}

/// Writes whole lines to stderr, above any progress bars.
struct AboveBars;

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Never an error: the subscriber would complain on the same stderr with a macro that panics, and a terminal that was
        // closed must not end a rollback.
        let _ = progress::above_bars(|| io::stderr().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}
