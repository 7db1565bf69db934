//! Journals that older versions have left behind can still be recovered.
//!
//! `data/journal_v<version>.journal` is what a killed run of that version left, `data/journal_v<version>.world.json` the world
//! it left behind. A new version of the format adds its own by
//! `cargo test -p chaos-engine --test old_journals -- --ignored`, and keeps all the others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is off")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chaos_core::{ExitCode, RunId};
use chaos_engine::RecoverOptions;
use chaos_engine::journal::format;
use chaos_engine::journal::reader::parse;
use chaos_engine::run_state::RunState;
use chaos_testkit::FakeWorld;
use common::Setup;

/// Set in the process that will be killed: the folder that it leaves its world in.
const VICTIM: &str = "CHAOS_TEST_VICTIM";
/// It is killed in this hold.
const VICTIM_HOLD: Duration = Duration::from_secs(600);
/// How long the victim may take to have done all that it does.
const READY_MAX: Duration = Duration::from_secs(30);

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Recovers a copy of a checked-in journal over the world that its run left.
async fn recovers(journal: &str, world: &str, is_intact: bool) {
    let left = FakeWorld::load("world", &std::fs::read_to_string(data(world)).unwrap());
    let whole = FakeWorld::new("world", 3).dump();
    assert_ne!(left.dump(), whole, "the run has left something");
    let bytes = std::fs::read(data(journal)).unwrap();
    let contents = parse(&bytes);
    assert_eq!(contents.is_intact(), is_intact, "{:?}", contents.damage);
    let run: RunId = RunState::fold(&contents.records, is_intact).plan.unwrap().run;

    let setup = Setup::over(left);
    std::fs::create_dir(setup.runs()).unwrap();
    std::fs::write(setup.runs().join(format!("{run}.journal")), bytes).unwrap();
    assert_eq!(setup.engine().unresolved().unwrap().len(), 1);
    let outcome = setup.engine().recover(&run, &RecoverOptions::default()).await.unwrap();
    assert_eq!((outcome.exit, outcome.steps.len()), (ExitCode::Done, 3));
    setup.assert_clean(&whole, journal);
}

#[tokio::test(start_paused = true)]
async fn a_journal_of_version_1_is_recovered() {
    recovers("journal_v1.journal", "journal_v1.world.json", true).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_of_version_1_with_a_damaged_line_is_recovered() {
    recovers("journal_v1_damaged.journal", "journal_v1.world.json", false).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_of_version_2_is_recovered() {
    recovers("journal_v2.journal", "journal_v2.world.json", true).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_of_version_2_with_a_damaged_line_is_recovered() {
    recovers("journal_v2_damaged.journal", "journal_v2.world.json", false).await;
}

#[test]
fn the_current_version_has_its_journal_here() {
    for name in ["journal_v{}.journal", "journal_v{}_damaged.journal", "journal_v{}.world.json"] {
        let name = name.replace("{}", &format::VERSION.to_string());
        assert!(data(&name).exists(), "`{name}` is missing");
    }
}

/// Kills a run in its hold with SIGKILL, and keeps what it left.
#[test]
#[ignore = "writes the checked-in journal of the current version"]
fn write_the_journal_of_the_current_version() {
    if let Some(folder) = std::env::var_os(VICTIM) {
        return live_and_wait_to_be_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "write_the_journal_of_the_current_version", "--ignored"])
        .env(VICTIM, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let world = folder.path().join("world.json");
    let started = Instant::now();
    while !world.exists() && started.elapsed() < READY_MAX {
        std::thread::sleep(Duration::from_millis(20));
    }
    victim.kill().unwrap();
    victim.wait().unwrap();

    let journals = folder.path().join("runs").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let journal =
        journals.filter(|path| path.extension().is_some_and(|end| end == "journal")).last().unwrap();
    let bytes = std::fs::read(journal).unwrap();
    let version = format::VERSION;
    std::fs::write(data(&format!("journal_v{version}.journal")), &bytes).unwrap();
    std::fs::write(data(&format!("journal_v{version}_damaged.journal")), damaged(&bytes)).unwrap();
    std::fs::copy(world, data(&format!("journal_v{version}.world.json"))).unwrap();
}

/// Spoils the line that holds the intent of the second step.
fn damaged(journal: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(journal.to_vec()).unwrap();
    let second = text.lines().filter(|line| line.contains(r#""intended""#)).nth(1).unwrap();
    text.replace(second, &second.replacen("cell_2", "cell_?", 1)).into_bytes()
}

fn live_and_wait_to_be_killed(folder: &Path) {
    let mut setup = Setup::new(3).in_folder(folder);
    setup.hold = VICTIM_HOLD;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let acted = async {
            setup.until(|world| world.dump().contains("lock cell_3")).await;
            // The last record before the hold is on its way.
            setup.until_journal_holds(r#""hold_started""#).await;
            let half = folder.join("world.half");
            std::fs::write(&half, setup.world.save()).unwrap();
            std::fs::rename(half, folder.join("world.json")).unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            outcome = setup.run(common::several()) => panic!("nobody killed it: {outcome:?}"),
            () = acted => {}
        }
    });
}
