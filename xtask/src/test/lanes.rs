//! Which tests run beside which.

use std::process::Command;

use cargo_metadata::{MetadataCommand, TargetKind};

use crate::failure::Context;
use crate::{Outcome, workspace};

/// The package all of whose tests act on the test hosts.
const ON_HOSTS: &str = "chaos-server";
/// The program whose tests are of both kinds, and the module of those that act on the test hosts.
const END_TO_END: &str = "e2e";
const END_TO_END_ON_HOSTS: &str = "servers::";
/// Of the former two, what acts on virtual machines only: it has them to itself, and need not wait for the other hosts.
const ON_VIRTUAL: &str = "network_netem";
const END_TO_END_ON_VIRTUAL: &str = "servers::crash::on_virtual::";
/// As many as there are virtual machines.
const THREADS_ON_VIRTUAL: &str = "2";

/// Runs of cargo, one after the other.
pub type Lane = Vec<Command>;

/// Returns the runs of cargo for all tests. Those that act on hosts wait for these most of the time, and the others keep the
/// processor busy: all of the ones run beside all of the others.
pub fn all() -> Outcome<Vec<Lane>> {
    let (mut on_hosts, others) = programs()?;
    on_hosts.retain(|name| name != ON_VIRTUAL);
    let run = |programs: &[String], more: &[&str]| {
        let mut cargo = cargo_test();
        for program in programs {
            cargo.args(["--test", program]);
        }
        cargo.args(more);
        cargo
    };
    let (on_virtual, end_to_end) = ([ON_VIRTUAL.to_owned()], [END_TO_END.to_owned()]);
    let few = ["--", "--test-threads", THREADS_ON_VIRTUAL];
    Ok(vec![
        vec![
            run(&on_hosts, &[]),
            run(&end_to_end, &["--", END_TO_END_ON_HOSTS, "--skip", END_TO_END_ON_VIRTUAL]),
        ],
        vec![run(&on_virtual, &few), run(&end_to_end, &[&few[..], &[END_TO_END_ON_VIRTUAL]].concat())],
        vec![run(&others, &["--lib", "--bins"]), run(&end_to_end, &["--", "--skip", END_TO_END_ON_HOSTS])],
    ])
}

/// Returns the cargo command for tests of any kind, which are still to be named. The feature reaches every crate that has crash
/// points, so that one build serves all.
pub fn cargo_test() -> Command {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast", "--features", "crash-points"]);
    cargo
}

/// Returns the names of the test programs that act on hosts, and of all others but [`END_TO_END`].
fn programs() -> Outcome<(Vec<String>, Vec<String>)> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace::root())
        .no_deps()
        .exec()
        .context(|| "read the metadata of the workspace".to_owned())?;
    let (mut on_hosts, mut others) = (Vec::new(), Vec::new());
    for package in &metadata.packages {
        let tests = package.targets.iter().filter(|target| target.kind.contains(&TargetKind::Test));
        let names = tests.map(|target| target.name.clone()).filter(|name| name != END_TO_END);
        if package.name == ON_HOSTS { on_hosts.extend(names) } else { others.extend(names) }
    }
    // A name stands for the programs of all packages that have one of that name.
    others.retain(|name| !on_hosts.contains(name));
    Ok((on_hosts, others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_runs_in_one_lane() {
        let (on_hosts, others) = programs().unwrap_or_else(|_| panic!("cargo tells its metadata"));
        let lanes = all().unwrap_or_else(|_| panic!("cargo tells its metadata"));
        let words: Vec<_> = lanes.iter().flatten().flat_map(Command::get_args).collect();
        let count = |word: &str| words.iter().filter(|other| **other == word).count();
        for program in on_hosts.iter().chain(&others) {
            assert_eq!(count(program), 1, "{program}");
        }
        // Each module of the end-to-end tests is asked for once, and left out once.
        assert_eq!((count(END_TO_END), count(END_TO_END_ON_HOSTS), count(END_TO_END_ON_VIRTUAL)), (3, 2, 2));
        assert!(on_hosts.contains(&"disk_fill".to_owned()) && !others.contains(&"disk_fill".to_owned()));
        assert!(others.contains(&"cli".to_owned()) && !on_hosts.contains(&"cli".to_owned()));
        assert!(!on_hosts.contains(&END_TO_END.to_owned()) && !others.contains(&END_TO_END.to_owned()));
    }
}
