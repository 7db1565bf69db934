//! A shell reads one script after the other, and nobody notices.

use std::fs;
use std::time::{Duration, Instant};

use chaos_host::{Limits, Script};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sshd::{self, Sshd};
use crate::{assert_says, host, say, told};

/// Tells which process reads the script.
fn who() -> Script {
    Script::new("printf %s $$")
}

#[tokio::test]
async fn nothing_of_a_script_is_there_for_the_next_one() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    let first = say(&host, &who()).await;
    let leave = Script::new(
        "x=left; export x; cd /tmp; umask 000; set -C -f; IFS=x; trap 'echo trapped' EXIT INT TERM; ulimit -n 20
         chaos_x() { echo left; }; alias ls='echo left'; exec 8</dev/null; set -- left",
    );
    assert_eq!(say(&host, &leave).await, "trapped\n");
    let state = Script::new(
        "printf '%s|%s|%s|%s|%s|' \"${x:-}\" \"$(pwd)\" \"$(umask)\" \"$-\" \"$*\"; printf '%s' \"$IFS\" | cksum
         trap; alias 2>/dev/null; ulimit -n; command -v chaos_x; [ -e /proc/self/fd/8 ] && echo open",
    );
    let after = say(&host, &state).await;
    assert_eq!(say(&host, &who()).await, first, "it is the same shell");
    let fresh = crate::host(server.login()).await;
    assert_eq!(after, say(&fresh, &state).await);
}

#[tokio::test]
async fn a_script_that_fails_or_exits_leaves_its_shell_for_the_next_one() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    let first = say(&host, &who()).await;
    for (text, status) in
        [("exit 7", 7), ("set -e; false; echo on", 1), ("kill -9 $(sh -c 'echo $PPID')", 137)]
    {
        let output = host.run(&Script::new(text), Limits::default()).await.unwrap();
        assert_eq!((output.status, output.stdout.len()), (status, 0), "{text}");
        assert_eq!(say(&host, &who()).await, first, "{text}");
    }
}

#[tokio::test]
async fn a_shell_that_was_ended_meanwhile_is_replaced_and_the_script_runs_once() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    let marker = server.file("runs");
    let run = Script::new("echo run >>\"$marker\"; printf %s $$").set("marker", marker.display().to_string());
    let mut last = say(&host, &run).await;
    for round in 2..6 {
        kill(Pid::from_raw(last.parse().unwrap()), Signal::SIGKILL).unwrap();
        let now = say(&host, &run).await;
        assert_ne!(now, last);
        last = now;
        assert_eq!(fs::read_to_string(&marker).unwrap(), "run\n".repeat(round));
    }
    assert_eq!(server.sessions().len(), 1, "the connection is still the first one");
}

#[tokio::test]
async fn what_a_child_left_behind_writes_is_not_in_the_next_answer() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    let marker = server.file("go");
    let script =
        Script::new("(until [ -e \"$marker\" ]; do sleep 0.01; done; echo late; echo late >&2) & printf x")
            .set("marker", marker.display().to_string());
    assert_eq!(say(&host, &script).await, "x");
    fs::write(&marker, "").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let output = host.run(&Script::new("printf y; echo z >&2"), Limits::default()).await.unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_str()), (&b"y"[..], "z"));
}

#[tokio::test]
async fn a_script_that_takes_long_is_not_taken_for_one_that_was_not_begun() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    let first = say(&host, &Script::new("sleep 6; printf %s $$")).await;
    assert_eq!(say(&host, &who()).await, first);
}

#[tokio::test]
async fn a_program_in_place_of_a_shell_that_reads_to_the_end_is_told_that_this_is_all() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start_with("ForceCommand cat >/dev/null; echo only mail here");
    let start = Instant::now();
    let error = host(server.login()).await.run(&who(), Limits::default()).await.unwrap_err();
    assert_says(&told(&error), &["not run: ", "only mail here"]);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_child_left_behind_that_writes_on_and_on_stops_nobody() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    let marker = server.file("stop");
    let script = Script::new(
        "(until [ -e \"$marker\" ]; do echo noise; echo noise >&2; sleep 0.001; done) & printf x",
    )
    .set("marker", marker.display().to_string());
    // Its noise may stand in an answer, but nothing waits for it.
    assert!(say(&host, &script).await.contains('x'));
    let start = Instant::now();
    for _ in 0..20 {
        assert!(say(&host, &Script::new("printf y")).await.contains('y'));
    }
    // A script that nobody answered any more would take its whole time.
    assert!(start.elapsed() < Limits::default().time, "{:?}", start.elapsed());
    assert!(host.answers().await);
    fs::write(&marker, "").unwrap();
}

#[tokio::test]
async fn a_server_with_one_channel_on_a_connection_runs_several_scripts_at_once() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start_with("MaxSessions 1");
    let host = host(server.login()).await;
    for _ in 0..3 {
        let scripts = (0..6).map(|_| async { say(&host, &Script::new("sleep 0.3; printf x")).await });
        assert_eq!(futures::future::join_all(scripts).await, ["x"; 6]);
    }
}

#[tokio::test]
async fn a_connection_cut_under_a_shell_that_has_answered_is_told_and_nothing_runs_twice() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    say(&host, &who()).await;
    crate::scripts::assert_a_cut_is_told_and_nothing_runs_twice(&server, &host).await;
}
