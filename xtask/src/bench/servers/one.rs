//! What one host must keep to: few round trips, a quick undo, a deadline on time.

use std::time::Duration;

use super::farm::Farm;
use super::machine::Machine;
use super::running::Running;
use crate::Outcome;
use crate::bench::chaos::Chaos;
use crate::bench::{Figure, Limit, median};
use crate::failure::Context;
use crate::process;

/// How often the deadline is let come. The latest counts.
const DEADLINES: usize = 5;
/// The longest that an undo by deadline is waited for.
const UNDONE_MAX: Duration = Duration::from_secs(60);

/// Measures all of it.
pub fn measure(chaos: &Chaos, farm: &Farm, repetitions: usize) -> Outcome<Vec<Figure>> {
    Ok(vec![round_trips(chaos, farm)?, permissions(chaos, farm, repetitions)?, deadline(chaos, farm)?])
}

/// From the login to the hold, so that asking the host what it is is in it.
fn round_trips(chaos: &Chaos, farm: &Farm) -> Outcome<Figure> {
    eprintln!("1 GB on one host …");
    let address = &farm.addresses()[..1];
    let params = "{size: 1GB, target_mount: /tmp, method: fallocate}";
    let mut run = Running::start(chaos, &farm.experiment(address, "", "server.disk_fill", params, "3s"))?;
    run.wait_for("the hold of a run", |journal| journal.has("hold_started"))?;
    let trips = run.round_trips()?;
    run.end()?;
    #[expect(clippy::cast_precision_loss, reason = "it is a handful")]
    let trips = trips as f64;
    let what = "connect, discover, inject and verify 1 GB";
    Ok(Figure::absolute(what, "round trips", trips, Limit::AtMost(5.0)))
}

/// From the end of the hold to the verified undo, with the new connection that an undo makes.
fn permissions(chaos: &Chaos, farm: &Farm, repetitions: usize) -> Outcome<Figure> {
    let address = &farm.addresses()[..1];
    let machine = farm.machine_of(&address[0])?;
    machine.sh("mkdir -p /data/bench && cd /data/bench && seq 10000 | xargs touch", &[])?;
    let params = "{paths: [/data/bench], recursive: true, mode: \"400\", max_paths: 20000}";
    let text = farm.experiment(address, "", "server.permission_change", params, "1s");
    let mut times = Vec::new();
    for repetition in 1..=repetitions {
        eprintln!("10000 permissions {repetition}/{repetitions} …");
        let (journal, ..) = Running::start(chaos, &text)?.end()?;
        times.push(journal.between("rollback_started", "reverted")? / 1000.0);
    }
    machine.sh("rm -r /data/bench", &[])?;
    Ok(Figure::absolute("undo of 10000 changed permissions", "s", median(times), Limit::AtMost(2.0)))
}

/// Nobody is left to undo: how long after its time the host has done it by itself.
fn deadline(chaos: &Chaos, farm: &Farm) -> Outcome<Figure> {
    let address = &farm.addresses()[..1];
    let machine = farm.machine_of(&address[0])?;
    let params = "{size: 1MiB, target_mount: /data, method: fallocate}";
    let text = farm.experiment(address, "      deadline_margin: 2s\n", "server.disk_fill", params, "3s");
    let mut late = Vec::new();
    for round in 1..=DEADLINES {
        let mut run = Running::start(chaos, &text)?;
        run.wait_for("the hold of a run", |journal| journal.has("hold_started"))?;
        run.kill()?;
        late.push(lateness(machine)?);
        process::read(&mut chaos.command(&["recover", "--all"]))?;
        eprintln!("deadline {round}/{DEADLINES}: {:.0} ms late", late[round - 1] * 1000.0);
    }
    let latest = late.into_iter().fold(f64::NEG_INFINITY, f64::max);
    Ok(Figure::absolute("deadline on the host, the latest", "s late", latest, Limit::AtMost(1.0)))
}

/// Returns by how many seconds the one rope of a host is late: when its undo was done, by the host's own clock, less when systemd
/// said that it would begin.
fn lateness(machine: &Machine) -> Outcome<f64> {
    let armed: f64 = number(&machine.sh(
        "set -- /run/chaos_*; unit=${1##*/}.timer
         path=$(busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager GetUnit s \"$unit\" | cut -d'\"' -f2)
         busctl get-property org.freedesktop.systemd1 \"$path\" org.freedesktop.systemd1.Timer NextElapseUSecMonotonic | cut -d' ' -f2",
        &[],
    )?)?;
    let done = || machine.sh("sed -n 's/^uptime=//p' /run/chaos_*/done 2>/dev/null", &[]);
    process::wait_for("the deadline come", UNDONE_MAX, || done().is_ok_and(|text| !text.trim().is_empty()))?;
    Ok(number(&done()?)? - armed / 1e6)
}

fn number(text: &str) -> Outcome<f64> {
    text.trim().parse().context(|| format!("read the number `{}`", text.trim()))
}
