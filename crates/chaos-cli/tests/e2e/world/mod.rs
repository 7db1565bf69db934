//! The world that the end-to-end tests act in: the real binary, a real PostgreSQL, and the means to break both.

pub mod binary;
pub mod experiment;
pub mod postgres;
pub mod processes;
pub mod proxy;
pub mod server;
pub mod shop;
pub mod sqlite;
pub mod state;

use std::time::{Duration, Instant};

pub use binary::Chaos;
pub use experiment::Experiment;
pub use postgres::Session;
pub use proxy::Proxy;
pub use server::OwnServer;
pub use shop::Shop;
pub use state::StateDir;

/// Longer than anything here takes on a busy machine with two cores. A test that waits longer has found something.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where the shared server is when nobody says otherwise; `cargo xtask env up postgres` starts it there.
const SERVER_DEFAULT: &str = "postgres://chaos:chaos@127.0.0.1:55432/postgres";

/// Returns the URL of the shared server, or `None` when it is not up and may be missing.
pub fn server_url() -> Option<String> {
    let url = std::env::var("CHAOS_TEST_POSTGRES").unwrap_or_else(|_| SERVER_DEFAULT.to_owned());
    if Session::try_open(&url).is_ok() {
        return Some(url);
    }
    assert!(!is_required(), "PostgreSQL is not up at {url}; run `cargo xtask env up`");
    println!("SKIPPED: PostgreSQL is not up");
    None
}

/// Returns whether a test whose part of the world is missing must fail.
pub fn is_required() -> bool {
    std::env::var("CHAOS_TEST_REQUIRE").is_ok_and(|value| value == "1")
}

/// Asks `is_so` until it says yes.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {} s for: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// Compares two checksums and shows only what differs.
///
/// # Panics
/// When anything differs.
#[track_caller]
pub fn assert_same(after: &[String], before: &[String], when: &str) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    let (lost, gained) = (only(before, after), only(after, before));
    assert!(lost.is_empty() && gained.is_empty(), "{when}\nwas: {lost:#?}\nis: {gained:#?}");
}

/// Returns a number that no other test of this machine uses at the moment.
pub fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
