//! The way to a host: addresses, ports, silence, and hosts in between.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use chaos_host::transport::ssh::{SshConfig, UserConfig};
use chaos_host::{HostError, Limits, Script};

use crate::sshd::{self, Sshd, free_port, keygen};
use crate::{assert_says, host, say, told, trouble};

fn to(port: u16) -> SshConfig {
    SshConfig { port: Some(port), user_config: UserConfig::None, ..SshConfig::new("127.0.0.1") }
}

#[tokio::test]
async fn a_closed_port_is_told_at_once() {
    let start = Instant::now();
    let said = trouble(to(free_port())).await;
    assert_says(&said, &["unreachable: failed to connect to `", "refused"]);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_port_that_never_says_a_word_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let config = SshConfig {
        connect_timeout: Some(Duration::from_millis(500)),
        ..to(listener.local_addr().unwrap().port())
    };
    assert_says(&trouble(config).await, &["unreachable: ", "within 500ms", "`connect_timeout`"]);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test]
async fn five_seconds_are_the_usual_patience() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    assert_says(&trouble(to(listener.local_addr().unwrap().port())).await, &["unreachable: ", "within 5s"]);
    let took = start.elapsed();
    assert!(took > Duration::from_secs(4) && took < Duration::from_secs(7), "{took:?}");
}

#[tokio::test]
async fn what_is_no_ssh_server_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let said = trouble(to(port)).await;
    answering.join().unwrap();
    assert_says(&said, &["failed to connect to `"]);
}

#[tokio::test]
async fn a_name_without_an_address_is_told() {
    let config = SshConfig { user_config: UserConfig::None, ..SshConfig::new("no-such-host.invalid") };
    assert_says(
        &trouble(config).await,
        &["unreachable: failed to find the address of `no-such-host.invalid`"],
    );
    let config = SshConfig { user_config: UserConfig::None, ..SshConfig::new("-oProxyCommand=id") };
    assert_says(&trouble(config).await, &["refused: ", "this is no name of a host"]);
}

#[tokio::test]
async fn addresses_of_ipv6_are_understood_with_brackets_and_without() {
    if !sshd::is_there() {
        return;
    }
    let port = free_port();
    let server = Sshd::start_with(&format!("ListenAddress [::1]:{port}"));
    let key = fs::read_to_string(server.file("host.pub")).unwrap();
    fs::write(server.file("known_hosts"), format!("[::1]:{port} {key}")).unwrap();
    for name in ["::1", "[::1]"] {
        let config = SshConfig { host: name.to_owned(), port: Some(port), ..server.login() };
        assert_eq!(say(&host(config).await, &Script::new("printf x")).await, "x");
    }
}

/// Starts two servers to pass and one to reach, and returns them with the configuration that leads through.
fn three_servers(first_lines: &str) -> ([Sshd; 3], std::path::PathBuf) {
    let servers = [Sshd::start_with(first_lines), Sshd::start(), Sshd::start()];
    let folder = servers[0].dir.path().to_owned();
    let mut text = String::new();
    for (server, name, jump) in
        [(&servers[0], "first", "none"), (&servers[1], "second", "first"), (&servers[2], "inner", "second")]
    {
        let key = fs::read_to_string(server.file("host.pub")).unwrap();
        let known = format!("[127.0.0.1]:{} {key}", server.port);
        fs::write(server.file("known_hosts"), known).unwrap();
        text += &format!(
            "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n  ProxyJump {jump}\n",
            server.port,
            server.file("user").display(),
            server.file("known_hosts").display(),
        );
    }
    let config = folder.join("ssh_config");
    fs::write(&config, text).unwrap();
    (servers, config)
}

#[tokio::test]
async fn a_host_behind_two_others_is_reached_through_them() {
    if !sshd::is_there() {
        return;
    }
    let (servers, file) = three_servers("");
    let config = || SshConfig { user_config: UserConfig::File(file.clone()), ..SshConfig::new("inner") };
    let inner = host(config()).await;
    let script = Script::new("printf %s \"${SSH_CONNECTION##* }\"");
    assert_eq!(say(&inner, &script).await, servers[2].port.to_string());
    assert_eq!(servers.each_ref().map(|server| server.sessions().len()), [1, 1, 1]);
    // One in the middle breaks: the whole way is opened again.
    servers[1].signal_sessions(nix::sys::signal::Signal::SIGKILL);
    tokio::time::sleep(crate::TRUSTED).await;
    assert_eq!(say(&inner, &script).await, servers[2].port.to_string());
}

#[tokio::test]
async fn each_host_on_the_way_is_checked_and_named() {
    if !sshd::is_there() {
        return;
    }
    let (servers, file) = three_servers("");
    let config = || SshConfig { user_config: UserConfig::File(file.clone()), ..SshConfig::new("inner") };
    keygen(&servers[1].file("other"), "ed25519", "");
    let other = fs::read_to_string(servers[1].file("other.pub")).unwrap();
    fs::write(servers[1].file("known_hosts"), format!("[127.0.0.1]:{} {other}", servers[1].port)).unwrap();
    let said = trouble(config()).await;
    assert_says(&said, &["refused: ", &format!("[127.0.0.1]:{}", servers[1].port), "its key changed"]);
}

#[tokio::test]
async fn a_host_on_the_way_that_does_not_forward_is_told() {
    if !sshd::is_there() {
        return;
    }
    let (_servers, file) = three_servers("AllowTcpForwarding no");
    let config = SshConfig { user_config: UserConfig::File(file), ..SshConfig::new("inner") };
    assert_says(&trouble(config).await, &["through `", "`AllowTcpForwarding yes`"]);
}

#[tokio::test]
async fn a_port_closed_behind_a_host_on_the_way_is_told() {
    if !sshd::is_there() {
        return;
    }
    let (mut servers, file) = three_servers("");
    servers[2].stop();
    let config = SshConfig { user_config: UserConfig::File(file), ..SshConfig::new("inner") };
    assert_says(&trouble(config).await, &["unreachable: ", "through `", "does not reach it"]);
}

#[tokio::test]
async fn a_new_host_on_the_way_that_comes_back_with_another_key_is_not_the_same_host() {
    if !sshd::is_there() {
        return;
    }
    let (mut servers, file) = three_servers("");
    let known = servers[0].file("nobody_yet");
    let text = fs::read_to_string(&file).unwrap();
    let first = servers[0].file("known_hosts").display().to_string();
    let new = format!("{}\n  StrictHostKeyChecking accept-new", known.display());
    fs::write(&file, text.replacen(&first, &new, 1)).unwrap();
    let config = SshConfig { user_config: UserConfig::File(file), ..SshConfig::new("inner") };
    let inner = host(config).await;
    assert_eq!(say(&inner, &Script::new("printf x")).await, "x");
    fs::remove_file(servers[0].file("host")).unwrap();
    fs::remove_file(servers[0].file("host.pub")).unwrap();
    keygen(&servers[0].file("host"), "ed25519", "");
    servers[0].restart();
    let error = loop {
        match inner.run(&Script::new(":"), Limits::default()).await {
            Ok(_) => panic!("it was taken for the same host"),
            // The old connection may be found dead only while the script is on its way.
            Err(HostError::Unreachable(_)) => {}
            Err(error) => break error,
        }
    };
    let name = format!("[127.0.0.1]:{}", servers[0].port);
    assert_says(&told(&error), &["refused: ", &name, "its key changed since this run connected first"]);
    assert!(!known.exists(), "nothing was to be done there, so its key was never written");
}
