//! What becomes of scripts on a connection: their ends, their bounds, and connections that break under them.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chaos_host::{Become, Host, HostError, Limits, Script};
use nix::sys::signal::Signal;

use crate::sshd::{self, Sshd};
use crate::{assert_says, connect, host, say, told};

#[tokio::test]
async fn status_output_and_trouble_of_a_script_come_back() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let script = Script::new("printf %s \"$word\"; echo trouble >&2; exit 3").set("word", "it's $HOME");
    let output = host(server.login()).await.run(&script, Limits::default()).await.unwrap();
    assert_eq!(
        (output.status, output.stdout.as_slice(), output.stderr.as_str()),
        (3, &b"it's $HOME"[..], "trouble")
    );
    for status in [0, 1, 126, 255] {
        let script = Script::new("exit \"$status\"").set("status", status.to_string());
        let output = host(server.login()).await.run(&script, Limits::default()).await.unwrap();
        assert_eq!(output.status, status);
    }
}

#[tokio::test]
async fn a_shell_that_is_killed_is_told() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let error =
        host(server.login()).await.run(&Script::new("kill -9 $$"), Limits::default()).await.unwrap_err();
    assert_says(&told(&error), &["unreachable: failed to see a script to its end", "ended by signal 9"]);
}

#[tokio::test]
async fn large_input_and_output_come_through_whole() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    let text = "0123456789abcde\n".repeat(200_000);
    let script = Script::new("printf %s \"$text\" | cksum; printf %s \"$text\"").set("text", &text);
    let output = host.run(&script, Limits::default()).await.unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let (sum, back) = told.split_once('\n').unwrap();
    assert!(sum.ends_with(&format!(" {}", text.len())), "{sum}");
    assert!(back == text, "{} of {}", back.len(), text.len());
}

#[tokio::test]
async fn more_output_than_allowed_ends_the_script_and_not_the_connection() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    let limits = Limits { output: 100_000, ..Limits::default() };
    let error = host.run(&Script::new("yes"), limits).await.unwrap_err();
    assert_says(&told(&error), &["bounds: failed to keep more than 100000 bytes"]);
    let error = host.run(&Script::new("yes >&2"), Limits::time(Duration::from_secs(2))).await.unwrap_err();
    assert_says(&told(&error), &["bounds: ", "within 2s"]);
    assert_eq!(say(&host, &Script::new("printf x")).await, "x");
    assert_eq!(server.sessions().len(), 1, "the connection is still the first one");
}

#[tokio::test]
async fn a_script_that_hangs_is_given_up_in_its_time() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    let start = Instant::now();
    let error = host.run(&Script::new("sleep 60"), Limits::time(Duration::from_secs(1))).await.unwrap_err();
    assert_says(&told(&error), &["bounds: ", "within 1s"]);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(say(&host, &Script::new("printf x")).await, "x");
}

#[tokio::test]
async fn a_child_left_behind_with_our_output_does_not_hold_us() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    let start = Instant::now();
    let script = Script::new("sleep 20 & printf x; exit 4");
    let output = host.run(&script, Limits::default()).await.unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (4, &b"x"[..]));
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[tokio::test]
async fn many_scripts_at_once_wait_for_each_other() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start_with("MaxSessions 4");
    let host = host(server.login()).await;
    let scripts = (0..24).map(|n| {
        let script = Script::new("sleep 0.05; printf %s \"$n\"").set("n", n.to_string());
        let host = host.clone();
        async move { say(&host, &script).await }
    });
    let all = futures::future::join_all(scripts).await;
    assert_eq!(all, (0..24).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn scripts_that_nobody_waits_for_any_more_leave_their_channels() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    for _ in 0..24 {
        let script = Script::new("sleep 30");
        let running = host.run(&script, Limits::default());
        // Long enough to be started; more of these than the server lets channels be open.
        let given_up = tokio::time::timeout(Duration::from_millis(30), running).await;
        assert!(given_up.is_err());
    }
    // The server counts what still runs, so it takes another connection to run more.
    assert_eq!(say(&host, &Script::new("printf x")).await, "x");
    assert!(server.sessions().len() <= 3, "{:?}", server.sessions());
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_is_told_and_the_script_is_not_run_again() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    assert_a_cut_is_told_and_nothing_runs_twice(&server, &host).await;
}

/// Cuts the connection under a script.
pub async fn assert_a_cut_is_told_and_nothing_runs_twice(server: &Sshd, host: &Host) {
    let marker = server.file("runs");
    let script = Script::new("echo run >>\"$marker\"; sleep 30").set("marker", marker.display().to_string());
    let running = tokio::spawn({
        let host = host.clone();
        async move { host.run(&script, Limits::default()).await }
    });
    while !marker.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.signal_sessions(Signal::SIGKILL);
    let error = running.await.unwrap().unwrap_err();
    assert_says(&told(&error), &["unreachable: failed to "]);
    assert_eq!(say(host, &Script::new("printf x")).await, "x", "it connects again");
    assert_eq!(fs::read_to_string(&marker).unwrap(), "run\n");
}

#[tokio::test]
async fn a_connection_found_dead_before_anything_was_sent_is_opened_again() {
    if !sshd::is_there() {
        return;
    }
    let mut server = Sshd::start();
    let host = host(server.login()).await;
    for _ in 0..3 {
        assert_eq!(say(&host, &Script::new("printf x")).await, "x");
        server.restart();
        tokio::time::sleep(crate::TRUSTED).await;
        assert_eq!(say(&host, &Script::new("printf x")).await, "x");
    }
}

#[tokio::test]
async fn only_the_first_connection_is_still_the_one_that_was_made() {
    if !sshd::is_there() {
        return;
    }
    let mut server = Sshd::start();
    let host = host(server.login()).await;
    assert!(host.answers().await);
    server.restart();
    assert!(!host.answers().await, "the server has ended it");
    assert_eq!(say(&host, &Script::new("printf x")).await, "x");
    assert!(!host.answers().await, "it is another one now");
}

#[tokio::test]
async fn while_the_server_is_down_it_is_unreachable_and_afterwards_it_works() {
    if !sshd::is_there() {
        return;
    }
    let mut server = Sshd::start();
    let host = host(server.login()).await;
    server.stop();
    let error = host.run(&Script::new(":"), Limits::default()).await.unwrap_err();
    assert!(error.is_transient(), "{}", told(&error));
    let error = host.run(&Script::new(":"), Limits::default()).await.unwrap_err();
    assert_says(&told(&error), &["unreachable: failed to connect to `", "refused"]);
    server.start_again();
    assert_eq!(say(&host, &Script::new("printf x")).await, "x");
}

#[tokio::test]
async fn a_server_that_goes_silent_is_noticed() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let host = host(server.login()).await;
    let (started, ended) = (server.file("started"), server.file("ended"));
    let script = Script::new("touch \"$started\"; while [ ! -e \"$ended\" ]; do sleep 0.1; done");
    let script =
        script.set("started", started.display().to_string()).set("ended", ended.display().to_string());
    let running = tokio::spawn({
        let host = host.clone();
        async move { host.run(&script, Limits::time(Duration::from_secs(60))).await }
    });
    while !started.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.signal_sessions(Signal::SIGSTOP);
    let start = Instant::now();
    let error = running.await.unwrap().unwrap_err();
    let took = start.elapsed();
    server.signal_sessions(Signal::SIGCONT);
    fs::write(&ended, "").unwrap();
    assert_says(&told(&error), &["unreachable: ", "the server went silent"]);
    assert!(took > Duration::from_secs(9) && took < Duration::from_secs(18), "{took:?}");
}

#[tokio::test]
async fn what_answers_in_the_place_of_a_shell_is_quoted() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start_with("ForceCommand echo only backups here; exit 7");
    let error = host(server.login()).await.run(&Script::new(":"), Limits::default()).await.unwrap_err();
    assert_says(&told(&error), &["not run: ", "status 7", "only backups here", "`/bin/sh`"]);
    let server = Sshd::start_with("ForceCommand internal-sftp");
    let error = host(server.login()).await.run(&Script::new(":"), Limits::default()).await.unwrap_err();
    assert!(matches!(error, HostError::NotRun(_)), "{}", told(&error));
}

#[tokio::test]
async fn a_banner_and_a_message_of_the_day_disturb_nobody() {
    if !sshd::is_there() {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let banner = folder.path().join("banner");
    fs::write(&banner, "You are being watched.\n".repeat(100)).unwrap();
    let lines = format!("Banner {}\nForceCommand echo hello; $SSH_ORIGINAL_COMMAND", banner.display());
    let server = Sshd::start_with(&lines);
    assert_eq!(say(&host(server.login()).await, &Script::new("printf x")).await, "x");
}

#[tokio::test]
async fn the_last_clone_closes_the_connection() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let ssh = connect(server.login()).await;
    let host = Host::new(Arc::new(ssh.clone()), Become::Nobody);
    drop(ssh);
    assert_eq!(say(&host, &Script::new("printf x")).await, "x");
    assert_eq!(server.sessions().len(), 1);
    drop(host);
    let end = Instant::now() + Duration::from_secs(5);
    while !server.sessions().is_empty() {
        assert!(Instant::now() < end, "the connection stays open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
