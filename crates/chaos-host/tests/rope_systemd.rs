//! The rope on a real host with systemd: the effect is a file. What is seen there is seen with the `ssh` program, which is
//! not what the rope travels on.
#![expect(clippy::unwrap_used, reason = "a test ends where something is off")]

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chaos_core::erased::BoxFuture;
use chaos_host::rope::{Claims, clashing, in_force};
use chaos_host::transport::{Bounds, Question, Raw, Transport};
use chaos_host::{Become, Host, HostError, Limits, Rope, RopeHandle, RopeKind, Script};

/// Runs commands on a test host with the `ssh` program.
struct SshProgram {
    config: String,
    name: &'static str,
}

impl SshProgram {
    fn command(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-F", &self.config, self.name]);
        command
    }

    /// Runs a command of the test and returns what it printed.
    fn sh(&self, command: &str) -> String {
        let output = self.command().arg(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Transport for SshProgram {
    fn ask(&self, question: Question, bounds: Bounds) -> BoxFuture<'_, Result<Raw, HostError>> {
        Box::pin(async move {
            use std::process::Stdio;
            use tokio::io::AsyncWriteExt;
            let mut child = tokio::process::Command::from(self.command())
                .arg(question.command)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            let mut input = child.stdin.take().unwrap();
            let write = async move {
                let _ = input.write_all(&question.text).await;
            };
            let both = async { tokio::join!(write, child.wait_with_output()).1 };
            let output = tokio::time::timeout(bounds.time, both).await.unwrap().unwrap();
            Ok(Raw { stdout: output.stdout, stderr: output.stderr, status: output.status.code() })
        })
    }

    fn answers(&self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(true))
    }
}

/// One rope over one file on a test host.
struct Bench {
    ssh: Arc<SshProgram>,
    host: Host,
    file: String,
    handle: RopeHandle,
    _lock: std::fs::File,
}

impl Bench {
    /// Takes the first test host for itself; `None` when none is up and none is required.
    fn new(name: &str, lasting: bool) -> Option<Self> {
        let world = std::env::var("CHAOS_TEST_HOSTS")
            .unwrap_or_else(|_| "/var/tmp/chaos-agents-env/host/hosts.json".to_owned());
        let Ok(text) = std::fs::read_to_string(&world) else {
            let is_required = std::env::var("CHAOS_TEST_REQUIRE").is_ok_and(|value| value == "1");
            assert!(!is_required, "the test hosts are not up; run `cargo xtask env up`");
            println!("SKIPPED: the test hosts are not up");
            return None;
        };
        let world: serde_json::Value = serde_json::from_str(&text).unwrap();
        let config = world["ssh_config"].as_str().unwrap().to_owned();
        let lock = lock(&config);
        let ssh = Arc::new(SshProgram { config, name: "th1" });
        let id = format!("chaos_test_{}_{name}", std::process::id());
        let base = if lasting { "/var/lib" } else { "/run" };
        let handle = RopeHandle {
            dir: format!("{base}/{id}"),
            kind: RopeKind::Systemd,
            lasting,
            boot: ssh.sh("cat /proc/sys/kernel/random/boot_id"),
            mounts: vec!["/var".to_owned()],
            after: Vec::new(),
            id: id.clone(),
        };
        let host = Host::new(ssh.clone(), Become::Nobody);
        Some(Self { ssh, host, file: format!("{base}/{id}.effect; $(x) 'y'"), handle, _lock: lock })
    }

    fn rope(&self) -> Rope {
        let undo = Script::new(
            "if [ -e \"$file\" ]; then rm -f \"$file\" && tell restored 1; fi; [ ! -e \"$file\" ]",
        );
        Rope::new(self.handle.clone(), undo.set("file", &self.file))
    }

    async fn act(&self, after: Duration) {
        let inject = Script::new(": >\"$file\"; tell made 1").set("file", &self.file);
        self.rope().arm(&self.host, after).await.unwrap();
        let output = self.rope().inject(&self.host, &inject, Limits::default()).await.unwrap();
        assert_eq!(output.told("made").collect::<Vec<_>>(), ["1"]);
        assert!(self.has_effect());
    }

    fn has_effect(&self) -> bool {
        !self.ssh.sh(&format!("ls -d {}.effect* 2>/dev/null", self.handle.dir)).is_empty()
    }

    fn is_done(&self) -> bool {
        !self.ssh.sh(&format!("cat {}/done 2>/dev/null", self.handle.dir)).is_empty()
    }

    /// Nothing of effect or rope is there: no file, no unit, not even a name that the service manager remembers.
    fn assert_clean(&self) {
        let id = &self.handle.id;
        let left = self.ssh.sh(&format!(
            "find / -xdev -name '*{id}*' 2>/dev/null; find /run -name '*{id}*' 2>/dev/null; \
             systemctl list-units --all --no-legend '{id}*'; systemctl list-unit-files --no-legend '{id}*'"
        ));
        assert_eq!(left, "");
    }

    async fn undo_and_remove(&self) -> chaos_host::Answer {
        let answer = self.rope().pull(&self.host).await.unwrap();
        assert!(!self.has_effect());
        self.rope().remove(&self.host).await.unwrap();
        self.assert_clean();
        answer
    }

    fn reboot(&self) {
        let before = self.ssh.sh("cat /proc/sys/kernel/random/boot_id");
        self.ssh.sh("systemctl reboot");
        wait_until(Duration::from_secs(60), "the host is back", || {
            let state = self.ssh.sh("cat /proc/sys/kernel/random/boot_id; systemctl is-system-running");
            state.ends_with("running") && !state.starts_with(&before)
        });
    }
}

/// One test at a time on the host: they restart it.
fn lock(config: &str) -> std::fs::File {
    let folder = std::path::Path::new(config).parent().unwrap();
    let file = std::fs::File::create(folder.join("th1.in-use")).unwrap();
    file.lock().unwrap();
    file
}

fn wait_until(bound: Duration, what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + bound;
    while !is_so() {
        assert!(Instant::now() < end, "{what} within {bound:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

const LONG: Duration = Duration::from_secs(300);

#[tokio::test]
async fn what_was_done_is_undone_and_nothing_of_the_rope_stays() {
    for lasting in [false, true] {
        let Some(bench) = Bench::new("plain", lasting) else { return };
        bench.act(LONG).await;
        let answer = bench.undo_and_remove().await;
        assert_eq!((answer.already, answer.restored, answer.by.as_str()), (false, 1, "chaos"));
    }
}

#[tokio::test]
async fn the_deadline_comes_within_a_second_of_its_time_and_takes_the_boot_unit_with_it() {
    let Some(bench) = Bench::new("deadline", true) else { return };
    let armed = bench.ssh.sh("cut -d' ' -f1 /proc/uptime").parse::<f64>().unwrap();
    bench.act(Duration::from_secs(3)).await;
    wait_until(Duration::from_secs(8), "the deadline comes", || bench.is_done());
    let done = bench.ssh.sh(&format!("sed -n 's/uptime=//p' {}/done", bench.handle.dir));
    assert_eq!(bench.ssh.sh(&format!("find /etc/systemd -name '{}*'", bench.handle.id)), "");
    let late = done.parse::<f64>().unwrap() - armed - 3.0;
    // The time was read before the arming, over a connection of its own.
    assert!((0.0..1.0).contains(&late), "{late} s late");
    let answer = bench.undo_and_remove().await;
    assert!(answer.already && answer.by == "deadline" && answer.restored == 1, "{answer:?}");
}

#[tokio::test]
async fn a_heartbeat_moves_the_deadline_on_and_not_after_it_has_come() {
    let Some(bench) = Bench::new("heartbeat", false) else { return };
    // Longer than a busy machine takes for one heartbeat.
    bench.act(Duration::from_secs(5)).await;
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        bench.rope().extend(&bench.host, Duration::from_secs(5)).await.unwrap();
        assert!(bench.has_effect(), "the deadline came in spite of heartbeats");
    }
    wait_until(Duration::from_secs(20), "the deadline comes without them", || bench.is_done());
    assert!(bench.rope().extend(&bench.host, LONG).await.is_err());
    bench.undo_and_remove().await;
}

#[tokio::test]
async fn units_that_are_read_again_do_not_move_the_deadline() {
    let Some(bench) = Bench::new("reload", false) else { return };
    bench.act(Duration::from_secs(6)).await;
    // By the host's own clock, so that a slow way there does not count.
    let armed = bench.ssh.sh("cut -d' ' -f1 /proc/uptime").parse::<f64>().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    bench.ssh.sh("systemctl daemon-reload");
    bench.ssh.sh("systemctl daemon-reexec");
    wait_until(Duration::from_secs(30), "the deadline comes", || bench.is_done());
    let done = bench.ssh.sh(&format!("sed -n 's/uptime=//p' {}/done", bench.handle.dir));
    let after = done.parse::<f64>().unwrap() - armed;
    // Whole seconds are all that the host knows of the time since its boot; begun anew it would come after nine.
    assert!(after < 8.5, "{after} s");
    bench.undo_and_remove().await;
}

#[tokio::test]
async fn an_undo_that_somebody_wrote_to_is_written_again() {
    let Some(bench) = Bench::new("spoilt", true) else { return };
    bench.act(LONG).await;
    bench.ssh.sh(&format!("sed -i 's/^undo() {{/nothing() {{/' {}/undo.sh", bench.handle.dir));
    assert_eq!(bench.undo_and_remove().await.restored, 1);
}

#[tokio::test]
async fn after_a_reboot_a_lasting_effect_is_gone_before_services_start() {
    let Some(bench) = Bench::new("boot", true) else { return };
    bench.act(LONG).await;
    bench.reboot();
    assert!(!bench.has_effect());
    let answer = bench.undo_and_remove().await;
    assert!(answer.already && answer.by == "boot" && answer.restored == 1, "{answer:?}");
}

#[tokio::test]
async fn after_a_reboot_nothing_is_left_of_what_a_reboot_takes() {
    let Some(bench) = Bench::new("volatile", false) else { return };
    bench.act(LONG).await;
    bench.reboot();
    bench.assert_clean();
    let answer = bench.undo_and_remove().await;
    assert!(answer.rebooted && answer.restored == 0, "{answer:?}");
}

#[tokio::test]
async fn isolating_a_target_does_not_take_the_rope() {
    let Some(bench) = Bench::new("isolate", false) else { return };
    bench.act(Duration::from_secs(6)).await;
    bench.ssh.sh("systemctl isolate multi-user.target");
    wait_until(Duration::from_secs(12), "the deadline comes", || bench.is_done());
    bench.undo_and_remove().await;
}

#[tokio::test]
async fn a_stopped_timer_lets_nothing_happen() {
    let Some(bench) = Bench::new("stopped", false) else { return };
    bench.rope().arm(&bench.host, LONG).await.unwrap();
    bench.ssh.sh(&format!("systemctl stop {}.timer", bench.handle.id));
    let inject = Script::new(": >\"$file\"").set("file", &bench.file);
    let error = bench.rope().inject(&bench.host, &inject, Limits::default()).await.unwrap_err();
    assert!(error.to_string().contains("has come or was stopped"), "{error}");
    bench.undo_and_remove().await;
}

#[tokio::test]
async fn a_rope_whose_undo_has_not_ended_stays_with_its_timer() {
    let Some(bench) = Bench::new("stays", true) else { return };
    bench.act(LONG).await;
    let error = bench.rope().remove(&bench.host).await.unwrap_err();
    assert!(error.to_string().contains("has not ended"), "{error}");
    assert_eq!(bench.ssh.sh(&format!("systemctl is-active {}.timer", bench.handle.id)), "active");
    bench.undo_and_remove().await;
}

#[tokio::test]
async fn what_one_step_has_to_itself_no_other_run_gets_on_that_host() {
    let Some(first) = Bench::new("first", false) else { return };
    let mut handle = first.handle.clone();
    handle.id.push_str("_other");
    handle.dir.push_str("_other");
    let claims = |name: &str| vec![format!("path /srv/a\nb {name}")];
    let undo = || Script::new("tell restored 0");
    let holds = Rope::new(first.handle.clone(), undo()).claiming(Claims::new(&claims("x"), &claims("w")));
    holds.arm(&first.host, LONG).await.unwrap();
    for (blocks, writes, is_refused) in
        [("x", "y", true), ("w", "y", true), ("y", "x", true), ("y", "w", false), ("y", "z", false)]
    {
        let ours = Claims::new(&claims(blocks), &claims(writes));
        let other = Rope::new(handle.clone(), undo()).claiming(ours.clone());
        let seen = clashing(&first.host, &[ours]).await.unwrap();
        let names_first = seen.iter().any(|seen| seen.dir == first.handle.dir);
        assert_eq!(names_first, is_refused, "{blocks} {writes}: {seen:?}");
        let armed = other.arm(&first.host, LONG).await;
        assert_eq!(armed.is_err(), is_refused, "{blocks} {writes}: {armed:?}");
        if let Err(error) = armed {
            assert!(error.to_string().contains("another run acts on path /srv/a\\nb"), "{error}");
        }
        other.pull(&first.host).await.unwrap();
        other.remove(&first.host).await.unwrap();
    }
    // What else lies there hides nothing.
    first.ssh.sh(&format!("printf '\\0\\n' >>{}/claims", first.handle.dir));
    let seen = clashing(&first.host, &[Claims::new(&claims("x"), &[])]).await.unwrap();
    assert!(seen.iter().any(|seen| seen.dir == first.handle.dir && seen.claims == 3), "{seen:?}");
    // Who claims nothing is in nobody's way.
    assert_eq!(clashing(&first.host, &[Claims::default()]).await.unwrap(), []);
    let named = in_force(&first.host).await.unwrap();
    assert!(named.iter().any(|other| other.claim == r"path /srv/a\nb x"), "{named:?}");
    holds.pull(&first.host).await.unwrap();
    let named = in_force(&first.host).await.unwrap();
    assert!(named.iter().all(|other| other.dir != first.handle.dir), "{named:?}");
    // Behind its undo it has nothing to itself any more.
    let other = Rope::new(handle, undo()).claiming(Claims::new(&claims("x"), &[]));
    other.arm(&first.host, LONG).await.unwrap();
    other.pull(&first.host).await.unwrap();
    other.remove(&first.host).await.unwrap();
    holds.remove(&first.host).await.unwrap();
    first.assert_clean();
}
