//! The rope without systemd, on this machine, in a scratch directory: the effect is a file.
#![expect(clippy::unwrap_used, reason = "a test ends where something is off")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chaos_host::transport::local::Local;
use chaos_host::{Become, Host, HostError, Limits, Rope, RopeHandle, RopeKind, Script};

/// One rope over one file, in a directory that goes when the test ends.
struct Bench {
    _scratch: tempfile::TempDir,
    host: Host,
    file: PathBuf,
    handle: RopeHandle,
}

impl Bench {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let handle = RopeHandle {
            id: "chaos_test_1".to_owned(),
            dir: scratch.path().join("it's a rope; $(x)").to_str().unwrap().to_owned(),
            kind: RopeKind::Detached,
            lasting: true,
            boot: boot.trim().to_owned(),
            mounts: Vec::new(),
            after: Vec::new(),
        };
        let host = Host::new(Arc::new(Local), Become::Nobody);
        Self { file: scratch.path().join("effect"), _scratch: scratch, host, handle }
    }

    fn rope(&self) -> Rope {
        let undo = Script::new(
            "if [ -e \"$file\" ]; then rm -f \"$file\" && tell restored 1; fi; [ ! -e \"$file\" ]",
        );
        Rope::new(self.handle.clone(), undo.set("file", self.file.to_str().unwrap()))
    }

    fn inject(&self) -> Script {
        Script::new(": >\"$file\"; tell made 1").set("file", self.file.to_str().unwrap())
    }

    async fn act(&self, after: Duration) {
        self.rope().arm(&self.host, after).await.unwrap();
        let output = self.rope().inject(&self.host, &self.inject(), Limits::default()).await.unwrap();
        assert_eq!(output.told("made").collect::<Vec<_>>(), ["1"]);
        assert!(self.file.exists());
    }

    fn done(&self) -> PathBuf {
        Path::new(&self.handle.dir).join("done")
    }

    /// Nothing of the effect and nothing of the rope is there, and no process of it runs.
    fn assert_clean(&self) {
        assert!(!self.file.exists(), "the effect is there");
        assert!(!Path::new(&self.handle.dir).exists(), "the rope is there");
        assert_eq!(watchers(&self.handle.dir), 0, "its watcher runs");
    }
}

/// Counts the processes that watch over this directory.
fn watchers(dir: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        (line.contains("watch.sh") && line.contains(dir)).then_some(())
    });
    processes.count()
}

async fn wait_until(bound: Duration, what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + bound;
    while !is_so() {
        assert!(Instant::now() < end, "{what} within {bound:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const LONG: Duration = Duration::from_secs(300);

#[tokio::test]
async fn what_was_done_is_undone_and_nothing_of_the_rope_stays() {
    let bench = Bench::new();
    bench.act(LONG).await;
    let answer = bench.rope().pull(&bench.host).await.unwrap();
    assert_eq!((answer.already, answer.restored, answer.by.as_str()), (false, 1, "chaos"));
    bench.rope().remove(&bench.host).await.unwrap();
    wait_until(Duration::from_secs(5), "the watcher ends", || watchers(&bench.handle.dir) == 0).await;
    bench.assert_clean();
}

#[tokio::test]
async fn the_deadline_alone_undoes_and_the_tool_learns_it() {
    let bench = Bench::new();
    let started = Instant::now();
    bench.act(Duration::from_secs(2)).await;
    wait_until(Duration::from_secs(6), "the deadline comes", || bench.done().exists()).await;
    assert!(started.elapsed() >= Duration::from_millis(900), "it came early: {:?}", started.elapsed());
    assert!(!bench.file.exists());
    let answer = bench.rope().pull(&bench.host).await.unwrap();
    assert!(answer.already);
    assert_eq!((answer.restored, answer.by.as_str()), (1, "deadline"));
    bench.rope().remove(&bench.host).await.unwrap();
    wait_until(Duration::from_secs(5), "the watcher ends", || watchers(&bench.handle.dir) == 0).await;
    bench.assert_clean();
}

#[tokio::test]
async fn behind_a_rope_that_has_fired_nothing_happens_any_more() {
    let bench = Bench::new();
    bench.rope().arm(&bench.host, Duration::from_secs(1)).await.unwrap();
    wait_until(Duration::from_secs(6), "the deadline comes", || bench.done().exists()).await;
    let error = bench.rope().inject(&bench.host, &bench.inject(), Limits::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "act: the deadline on the host has come");
    assert!(bench.rope().extend(&bench.host, LONG).await.is_err());
    assert!(!bench.file.exists());
    bench.rope().remove(&bench.host).await.unwrap();
}

#[tokio::test]
async fn without_a_rope_nothing_happens() {
    let bench = Bench::new();
    let error = bench.rope().inject(&bench.host, &bench.inject(), Limits::default()).await.unwrap_err();
    assert!(matches!(error, HostError::Failed { .. }), "{error:?}");
    assert!(!bench.file.exists());
}

#[tokio::test]
async fn a_heartbeat_moves_the_deadline_on() {
    let bench = Bench::new();
    bench.act(Duration::from_secs(2)).await;
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        bench.rope().extend(&bench.host, Duration::from_secs(2)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(bench.file.exists(), "the deadline came in spite of heartbeats");
    }
    wait_until(Duration::from_secs(6), "the deadline comes without them", || bench.done().exists()).await;
    bench.rope().remove(&bench.host).await.unwrap();
}

#[tokio::test]
async fn an_undo_works_without_arming_twice_and_after_the_rope_was_removed_by_somebody() {
    let bench = Bench::new();
    for is_first in [true, false] {
        let answer = bench.rope().pull(&bench.host).await.unwrap();
        assert_eq!((answer.restored, answer.was_gone, answer.already), (0, is_first, !is_first));
    }
    bench.rope().remove(&bench.host).await.unwrap();
    bench.rope().remove(&bench.host).await.unwrap();
    bench.act(LONG).await;
    std::fs::remove_dir_all(&bench.handle.dir).unwrap();
    let answer = bench.rope().pull(&bench.host).await.unwrap();
    assert_eq!((answer.restored, answer.was_gone), (1, true));
    bench.rope().remove(&bench.host).await.unwrap();
    wait_until(Duration::from_secs(5), "the watcher ends", || watchers(&bench.handle.dir) == 0).await;
    bench.assert_clean();
}

#[tokio::test]
async fn an_undo_knows_whether_the_inject_came_to_its_first_effect() {
    const UNDO: &str =
        "if never_acted; then tell note never; elif acted; then tell note acted; else tell note unknown; fi";
    let notes = async |bench: &Bench| {
        let rope = Rope::new(bench.handle.clone(), Script::new(UNDO));
        let answer = rope.pull(&bench.host).await.unwrap();
        rope.remove(&bench.host).await.unwrap();
        assert!(!Path::new(&bench.handle.dir).exists());
        answer.notes
    };
    for (inject, known) in [("fail 65 refused; will_act", "never"), ("will_act; fail 69 broken", "acted")] {
        let bench = Bench::new();
        let rope = Rope::new(bench.handle.clone(), Script::new(UNDO));
        rope.arm(&bench.host, LONG).await.unwrap();
        rope.inject(&bench.host, &Script::new(inject), Limits::default()).await.unwrap_err();
        assert_eq!(notes(&bench).await, [known]);
    }
    // Without the rope that was armed nobody knows.
    assert_eq!(notes(&Bench::new()).await, ["unknown"]);
}

#[tokio::test]
async fn a_rope_that_was_cut_off_while_it_was_written_is_made_whole() {
    for part in [0, 1, 50, 99] {
        let bench = Bench::new();
        bench.rope().arm(&bench.host, LONG).await.unwrap();
        let undo = Path::new(&bench.handle.dir).join("undo.sh");
        let text = std::fs::read(&undo).unwrap();
        std::fs::write(&undo, &text[..text.len() * part / 100]).unwrap();
        let answer = bench.rope().pull(&bench.host).await.unwrap();
        assert_eq!((answer.restored, answer.already), (0, false), "{part} %");
        bench.rope().remove(&bench.host).await.unwrap();
        wait_until(Duration::from_secs(5), "the watcher ends", || watchers(&bench.handle.dir) == 0).await;
        bench.assert_clean();
    }
}

#[tokio::test]
async fn an_arming_that_nobody_waits_for_any_more_leaves_nothing() {
    let bench = Bench::new();
    let up = std::fs::read_to_string("/proc/uptime").unwrap();
    let up: u64 = up.split('.').next().unwrap().parse().unwrap();
    let error = bench.rope().late_at(Some(up)).arm(&bench.host, LONG).await.unwrap_err();
    assert!(error.to_string().contains("came too late"), "{error}");
    bench.assert_clean();
    bench.rope().late_at(Some(up + 30)).arm(&bench.host, LONG).await.unwrap();
    bench.rope().pull(&bench.host).await.unwrap();
    bench.rope().remove(&bench.host).await.unwrap();
    bench.assert_clean();
}

#[tokio::test]
async fn what_an_undo_left_keeps_a_late_arming_out() {
    let bench = Bench::new();
    bench.rope().pull(&bench.host).await.unwrap();
    assert!(bench.rope().arm(&bench.host, LONG).await.is_err());
    let error = bench.rope().inject(&bench.host, &bench.inject(), Limits::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "act: it was undone by chaos");
    assert!(!bench.file.exists());
    bench.rope().remove(&bench.host).await.unwrap();
    bench.assert_clean();
}

#[tokio::test]
async fn who_ended_it_before_us_is_told() {
    for (who, why) in [
        ("boot", "the host was rebooted, and undid it at boot"),
        ("by-hand", "somebody ran the undo on the host"),
        ("deadline", "the deadline on the host has come"),
    ] {
        let bench = Bench::new();
        bench.act(LONG).await;
        // The deadline itself would wait for its time.
        std::fs::remove_file(Path::new(&bench.handle.dir).join("deadline")).unwrap();
        let undo = Path::new(&bench.handle.dir).join("undo.sh");
        assert!(std::process::Command::new("sh").arg(undo).arg(who).output().unwrap().status.success());
        let error = bench.rope().extend(&bench.host, LONG).await.unwrap_err();
        assert_eq!(error.to_string(), format!("move the deadline: {why}"));
        bench.rope().remove(&bench.host).await.unwrap();
    }
}

#[tokio::test]
async fn without_room_for_a_rope_nothing_is_armed_and_the_undo_works_all_the_same() {
    for was_done in [false, true] {
        let mut bench = Bench::new();
        let full = bench.file.with_file_name("full");
        std::fs::write(&full, "").unwrap();
        bench.handle.dir = full.join("rope").to_str().unwrap().to_owned();
        bench.rope().arm(&bench.host, LONG).await.unwrap_err();
        if was_done {
            std::fs::write(&bench.file, "").unwrap();
        }
        let answer = bench.rope().pull(&bench.host).await.unwrap();
        assert_eq!((answer.restored, answer.by.as_str()), (u64::from(was_done), "chaos"));
        assert!(!answer.already);
        bench.rope().remove(&bench.host).await.unwrap();
        bench.assert_clean();
    }
}

#[tokio::test]
async fn a_rope_whose_undo_has_not_ended_is_not_taken_away() {
    let bench = Bench::new();
    bench.act(LONG).await;
    let error = bench.rope().remove(&bench.host).await.unwrap_err();
    assert!(error.to_string().contains("has not ended"), "{error}");
    assert!(bench.file.exists() && Path::new(&bench.handle.dir).exists());
    bench.rope().pull(&bench.host).await.unwrap();
    bench.rope().remove(&bench.host).await.unwrap();
}

#[tokio::test]
async fn an_undo_that_fails_is_tried_again_until_it_works() {
    let bench = Bench::new();
    bench.act(Duration::from_secs(1)).await;
    // A directory in the place of the file is nothing that `rm -f` takes.
    std::fs::remove_file(&bench.file).unwrap();
    std::fs::create_dir(&bench.file).unwrap();
    let error = bench.rope().pull(&bench.host).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("Is a directory"), "{error}");
    std::fs::remove_dir(&bench.file).unwrap();
    wait_until(Duration::from_secs(8), "the watcher tries again", || bench.done().exists()).await;
    bench.rope().remove(&bench.host).await.unwrap();
}

#[tokio::test]
async fn undo_inject_and_deadline_at_the_same_moment_never_leave_the_effect() {
    for round in 0..20_u64 {
        let bench = Bench::new();
        bench.rope().arm(&bench.host, Duration::from_secs(1)).await.unwrap();
        let (rope, script) = (bench.rope(), bench.inject());
        let wait = Duration::from_millis(900 + 10 * round);
        let pull = async {
            tokio::time::sleep(wait).await;
            rope.pull(&bench.host).await.unwrap()
        };
        let inject = async {
            tokio::time::sleep(wait).await;
            rope.inject(&bench.host, &script, Limits::default()).await.is_ok()
        };
        let (first, _, second) = tokio::join!(pull, inject, rope.pull(&bench.host));
        assert!(!bench.file.exists(), "round {round}: {first:?} {second:?}");
        rope.remove(&bench.host).await.unwrap();
        assert!(!Path::new(&bench.handle.dir).exists());
    }
}

#[tokio::test]
async fn a_removal_that_died_at_any_file_can_be_repeated() {
    let files = ["deadline", "watch", "watch.sh", "undo.sh", "asked", "done"];
    for removed in 1..=files.len() {
        let bench = Bench::new();
        bench.act(LONG).await;
        bench.rope().pull(&bench.host).await.unwrap();
        for file in &files[..removed] {
            // One may not be there: then somebody has removed less.
            let _ = std::fs::remove_file(Path::new(&bench.handle.dir).join(file));
        }
        bench.rope().remove(&bench.host).await.unwrap();
        assert!(!Path::new(&bench.handle.dir).exists(), "after {removed} files");
    }
}

#[tokio::test]
async fn what_clashed_is_looked_at_again_when_somebody_asks() {
    let bench = Bench::new();
    let undo = Script::new(
        "[ ! -d \"$file\" ] || { tell conflict \"1|a directory\"; exit 0; }; rm -f \"$file\" && tell restored 1",
    );
    let rope = Rope::new(bench.handle.clone(), undo.set("file", bench.file.to_str().unwrap()));
    rope.arm(&bench.host, LONG).await.unwrap();
    std::fs::create_dir(&bench.file).unwrap();
    for is_first in [true, false] {
        let answer = rope.pull(&bench.host).await.unwrap();
        assert_eq!((answer.conflicts.len(), answer.already, answer.by.as_str()), (1, !is_first, "chaos"));
    }
    std::fs::remove_dir(&bench.file).unwrap();
    std::fs::write(&bench.file, "").unwrap();
    let answer = rope.pull(&bench.host).await.unwrap();
    assert_eq!((answer.conflicts.len(), answer.restored), (0, 1));
    assert!(!bench.file.exists());
    rope.remove(&bench.host).await.unwrap();
}

/// Takes files away and leaves directories, which somebody else has made.
const FILES_OF_OURS: &str = "took=0
for name in a b c; do
    if [ -d \"$file.$name\" ]; then tell conflict \"$name|a directory\"
    elif [ -e \"$file.$name\" ]; then rm -f \"$file.$name\"; took=$((took + 1)); fi
done
tell restored \"$took\"";

/// A bench with a rope over three things, one of which somebody has changed.
async fn clashing() -> (Bench, Rope) {
    let bench = Bench::new();
    let undo = Script::new(FILES_OF_OURS).set("file", bench.file.to_str().unwrap());
    let rope = Rope::new(bench.handle.clone(), undo);
    rope.arm(&bench.host, LONG).await.unwrap();
    for name in ["a", "b"] {
        std::fs::write(bench.file.with_extension(name), "").unwrap();
    }
    std::fs::create_dir(bench.file.with_extension("c")).unwrap();
    (bench, rope)
}

/// Lets the things of a bench be ours again.
fn mend(bench: &Bench) {
    std::fs::remove_dir(bench.file.with_extension("c")).unwrap();
    std::fs::write(bench.file.with_extension("c"), "").unwrap();
}

#[tokio::test]
async fn what_earlier_attempts_took_back_is_not_forgotten_by_later_ones() {
    let (bench, rope) = clashing().await;
    let attempt = async || {
        let answer = rope.pull(&bench.host).await.unwrap();
        (answer.restored, answer.first, answer.conflicts.len())
    };
    assert_eq!(attempt().await, (2, None, 1));
    let done = std::fs::read_to_string(bench.done()).unwrap();
    for _ in 0..2 {
        assert_eq!(attempt().await, (2, Some(2), 1));
    }
    // Who did it and when is about the first one.
    let head = |text: &str| text.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(head(&std::fs::read_to_string(bench.done()).unwrap()), head(&done));
    mend(&bench);
    for _ in 0..2 {
        assert_eq!(attempt().await, (3, Some(2), 0));
    }
    rope.remove(&bench.host).await.unwrap();
    bench.assert_clean();
}

#[tokio::test]
async fn the_rope_of_another_version_is_undone_and_was_not_removed_by_anybody() {
    let (bench, rope) = clashing().await;
    let undo = Path::new(&bench.handle.dir).join("undo.sh");
    let text = std::fs::read_to_string(&undo).unwrap();
    let other = || std::fs::write(&undo, format!("{text}# Written otherwise.\n")).unwrap();
    other();
    let answer = rope.pull(&bench.host).await.unwrap();
    assert_eq!((answer.restored, answer.conflicts.len(), answer.was_gone), (2, 1, false));
    // What clashed is looked at again in that case, too.
    other();
    mend(&bench);
    let answer = rope.pull(&bench.host).await.unwrap();
    assert_eq!((answer.restored, answer.first, answer.conflicts.len()), (3, Some(2), 0));
    assert!(answer.already && !answer.was_gone);
    // Where it has nothing to do any more it is left as it is.
    other();
    assert!(rope.pull(&bench.host).await.unwrap().already);
    assert!(std::fs::read_to_string(&undo).unwrap().ends_with("otherwise.\n"));
    rope.remove(&bench.host).await.unwrap();
    bench.assert_clean();
}
