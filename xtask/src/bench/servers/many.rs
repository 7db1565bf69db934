//! One fault on very many hosts: connect, discover, inject, revert, beside Ansible doing the same; and one slow host among others.
//!
//! The fault takes a little space on `/data`. The many hosts of one test host share their files, and each of them has a file of
//! its own for this fault alone: no two of them would wait for each other, as they would not on machines of their own.

use super::ansible::Ansible;
use super::farm::Farm;
use super::running::{Running, Spent};
use crate::Outcome;
use crate::bench::chaos::{Chaos, Journal};
use crate::bench::{Figure, Limit, kib_to_mib};
use crate::failure::Failure;

const SKILL: &str = "server.disk_fill";
const PARAMS: &str = "{size: 1MiB, target_mount: /data, method: fallocate}";
/// Ansible has no hold.
const HOLD: &str = "1ms";
/// How many hosts are watched while one of them is slow.
const WATCHED: usize = 40;
/// Peak memory of the run and of its guardian together, in MiB.
const MEMORY_MAX_MIB: f64 = 150.0;
/// The time in which a server must answer, unless a person says otherwise.
const CONNECT_SECONDS: f64 = 5.0;

/// Measures all of it.
pub fn measure(chaos: &Chaos, farm: &Farm) -> Outcome<Vec<Figure>> {
    let mut figures = slow_host(chaos, farm)?;
    figures.extend(beside_ansible(chaos, farm)?);
    Ok(figures)
}

/// Ours before and after Ansible's run, which is the longest: a busy machine hits both.
fn beside_ansible(chaos: &Chaos, farm: &Farm) -> Outcome<Vec<Figure>> {
    let ansible = Ansible::new(chaos.folder(), farm)?;
    let hosts = farm.addresses().len();
    let text = farm.experiment(farm.addresses(), "", SKILL, PARAMS, HOLD);
    eprintln!("{hosts} hosts …");
    let (_, first, first_kib) = Running::start(chaos, &text)?.end()?;
    eprintln!("{hosts} hosts with Ansible …");
    let reference = ansible.run()?;
    let (journal, second, second_kib) = Running::start(chaos, &text)?.end()?;
    eprintln!("{}", phases(&journal)?);
    let ours = mean(first, second);
    let what = |of: &str| format!("{hosts} hosts, four steps, against Ansible{of}");
    Ok(vec![
        // Turned round, so that the ratio says how many times faster it is.
        Figure {
            judged: reference.seconds / ours.seconds,
            ..Figure::ratio(&what(""), "s", ours.seconds, reference.seconds, Limit::AtLeast(10.0))
        },
        Figure {
            judged: reference.processor_seconds / ours.processor_seconds,
            ..Figure::ratio(
                &what(", its own work"),
                "s",
                ours.processor_seconds,
                reference.processor_seconds,
                Limit::AtLeast(10.0),
            )
        },
        Figure::absolute(
            &format!("peak memory of chaos and guardian, {hosts} hosts"),
            "MiB",
            kib_to_mib(first_kib.max(second_kib)),
            Limit::AtMost(MEMORY_MAX_MIB),
        ),
    ])
}

fn mean(first: Spent, second: Spent) -> Spent {
    Spent {
        seconds: f64::midpoint(first.seconds, second.seconds),
        processor_seconds: f64::midpoint(first.processor_seconds, second.processor_seconds),
    }
}

/// Where the time went, for people who want to make it less.
fn phases(journal: &Journal) -> Outcome<String> {
    let last =
        |record: &str| journal.after("opened", record).map(|all| all.last().copied().unwrap_or(f64::NAN));
    Ok(format!(
        "from the plan: armed {:.1} s, injected {:.1} s, hold over {:.1} s, reverted {:.1} s, disarmed {:.1} s",
        last("armed")?,
        last("injected")?,
        last("rollback_started")?,
        last("reverted")?,
        last("disarmed")?,
    ))
}

/// One server stops answering: during the hold, and before the start. The others must not feel it.
fn slow_host(chaos: &Chaos, farm: &Farm) -> Outcome<Vec<Figure>> {
    let all = farm.addresses();
    let addresses = &all[..WATCHED.min(all.len())];
    let others = addresses.len() - 1;
    let slow = addresses.last().ok_or_else(|| Failure::new("find a host"))?;
    let signal = |signal: &str| {
        let unit = format!("bench-sshd-{slow}.service");
        farm.machine_of(slow)?
            .sh("systemctl kill -s \"$1\" --kill-who=main \"$2\"", &[signal, &unit])
            .map(drop)
    };
    let more = "      allow_unreachable: true\n";
    eprintln!("{} hosts, one of them slow …", addresses.len());

    let (journal, whole, _) =
        Running::start(chaos, &farm.experiment(addresses, more, SKILL, PARAMS, "1s"))?.end()?;
    let quick = nth(&journal, others)?;

    let mut run = Running::start(chaos, &farm.experiment(addresses, more, SKILL, PARAMS, "1s"))?;
    run.wait_for("the hold of a run", |journal| journal.has("hold_started"))?;
    signal("STOP")?;
    let waited = run.wait_for("the others undone", |journal| nth(journal, others).is_ok());
    signal("CONT")?;
    waited?;
    let (journal, ..) = run.end()?;
    let beside_slow = nth(&journal, others)?;

    signal("STOP")?;
    let ended =
        Running::start(chaos, &farm.experiment(addresses, more, SKILL, PARAMS, "1s")).and_then(Running::end);
    signal("CONT")?;
    let (_, with_silent, _) = ended?;
    Ok(vec![
        Figure::ratio(
            &format!("{others} hosts undone beside a hung one"),
            "s",
            beside_slow,
            quick,
            Limit::AtMost(1.5),
        ),
        Figure::absolute(
            "delay by a host that does not answer",
            "s",
            with_silent.seconds - whole.seconds,
            Limit::AtMost(CONNECT_SECONDS + 1.0),
        ),
    ])
}

/// The seconds from the start of the rollback until so many hosts had nothing left.
fn nth(journal: &Journal, count: usize) -> Outcome<f64> {
    let done = journal.after("rollback_started", "disarmed")?;
    let last = count.checked_sub(1).and_then(|place| done.get(place));
    last.copied().ok_or_else(|| Failure::new(format!("find {count} hosts undone")))
}
