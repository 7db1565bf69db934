//! Two hundred connections at once: what they cost. Alone in its process, because memory is counted.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test ends where something is off; it uses a part of the server"
)]

#[path = "ssh/sshd.rs"]
mod sshd;

use std::sync::Arc;
use std::time::Instant;

use chaos_host::transport::ssh::Ssh;
use chaos_host::{Become, Host, Limits, Script};
use futures::StreamExt;
use sshd::Sshd;

/// How many hosts one run may well have.
const CONNECTIONS: usize = 200;
/// How many are connected side by side, as a run does it.
const AT_ONCE: usize = 32;
/// The most that all of them may cost.
const MEMORY_MAX: u64 = 100 << 20;

/// Returns the memory that this process holds.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Returns the processor time of this process in milliseconds.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u64>().unwrap();
    // A tick is a hundredth of a second on every Linux we run on.
    (ticks(11) + ticks(12)) * 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_stay_small() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let (memory_before, cpu_before, start) = (memory(), cpu(), Instant::now());
    let hosts: Vec<Host> = futures::stream::iter(0..CONNECTIONS)
        .map(|_| {
            let mut config = server.login();
            // The machine is shared: how long a connection takes is not what is tested.
            config.connect_timeout = Some(std::time::Duration::from_secs(60));
            async move { Host::new(Arc::new(Ssh::connect(config).await.unwrap()), Become::Nobody) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let (connected, cpu_connected) = (start.elapsed(), cpu() - cpu_before);
    assert_eq!(server.sessions().len(), CONNECTIONS);
    let idle = memory() - memory_before;

    let start = Instant::now();
    let script = Script::new("head -c 100000 /dev/zero");
    let sizes: Vec<usize> = futures::stream::iter(&hosts)
        .map(|host| async { host.run(&script, Limits::default()).await.unwrap().stdout.len() })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert_eq!(sizes, [100_000; CONNECTIONS]);
    let used = memory() - memory_before;
    println!(
        "{CONNECTIONS} connections: {connected:?}, {:.2} ms of processor each, {} KiB each; after a script of 100 kB each \
         ({:?}): {} KiB each",
        cpu_connected as f64 / CONNECTIONS as f64,
        idle / 1024 / CONNECTIONS as u64,
        start.elapsed(),
        used / 1024 / CONNECTIONS as u64,
    );
    assert!(used < MEMORY_MAX, "{used} bytes");
}
