//! Test builds only: lets the parent test kill this process at a named point.

use nix::sys::signal::{Signal, raise};

/// Makes the crash points deadly: as sudden as `kill -9`, no destructor runs.
pub fn install() {
    chaos_core::crash::install_killer(|| {
        // It cannot fail for the own process, and nothing after it is reached.
        let _ = raise(Signal::SIGKILL);
    });
}
