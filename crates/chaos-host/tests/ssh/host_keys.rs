//! Which host is believed to be the right one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use chaos_host::transport::Transport;
use chaos_host::transport::ssh::{HostKey, SshConfig};
use chaos_host::{Become, Host, Limits, Script};

use crate::sshd::{self, Sshd, fingerprint, keygen};
use crate::{assert_says, connect, told, trouble};

fn with_rule(server: &Sshd, rule: HostKey) -> SshConfig {
    SshConfig { host_key: Some(rule), ..server.login() }
}

fn keygen_done(arguments: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    let done = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(done.unwrap().success(), "{arguments:?}");
}

#[tokio::test]
async fn an_unknown_host_is_refused_with_its_fingerprint_and_nothing_is_written() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    fs::remove_file(server.file("known_hosts")).unwrap();
    let said = trouble(server.login()).await;
    let key = fingerprint(&server.file("host.pub"));
    let name = format!("[127.0.0.1]:{}", server.port);
    assert_says(&said, &["refused: failed to trust the host `", &name, &key, "`host_key: accept_new`"]);
    assert!(!server.file("known_hosts").exists());
}

#[tokio::test]
async fn a_changed_key_is_refused_by_every_rule_and_both_are_named_with_the_line() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    keygen(&server.file("old"), "ed25519", "");
    let old = fs::read_to_string(server.file("old.pub")).unwrap();
    fs::write(server.file("known_hosts"), format!("# mine\n[127.0.0.1]:{} {old}", server.port)).unwrap();
    let before = fs::read(server.file("known_hosts")).unwrap();
    for rule in [HostKey::Strict, HostKey::AcceptNew] {
        let said = trouble(with_rule(&server, rule)).await;
        let (old, new) = (fingerprint(&server.file("old.pub")), fingerprint(&server.file("host.pub")));
        let place = format!("{}:2", server.file("known_hosts").display());
        assert_says(&said, &["refused: ", "its key changed", &place, &old, &new, "ssh-keygen -R"]);
    }
    assert_eq!(fs::read(server.file("known_hosts")).unwrap(), before);
}

#[tokio::test]
async fn a_new_host_is_written_down_once_and_known_from_then_on() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let known = server.file("new/known_hosts");
    let files = vec![known.clone()];
    let accept = || SshConfig { known_hosts: files.clone(), ..with_rule(&server, HostKey::AcceptNew) };
    let all = futures::future::join_all((0..8).map(|_| connect(accept()))).await;
    assert!(all[0].accepted().await[0].contains(&known.display().to_string()));
    assert!(!known.exists(), "looking at a host leaves no trace");
    for settled in futures::future::join_all(all.iter().map(Transport::settle)).await {
        settled.unwrap();
    }
    assert_eq!(all[0].accepted().await, Vec::<String>::new());
    let text = fs::read_to_string(&known).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(fs::metadata(&known).unwrap().permissions().mode() & 0o777, 0o600);
    connect(SshConfig { known_hosts: files.clone(), ..server.login() }).await;
    fs::write(&known, "other.example ssh-ed25519 AAAA").unwrap();
    connect(accept()).await.settle().await.unwrap();
    let text = fs::read_to_string(&known).unwrap();
    assert!(
        text.starts_with(&format!("other.example ssh-ed25519 AAAA\n[127.0.0.1]:{} ", server.port)),
        "{text}"
    );
}

#[tokio::test]
async fn a_pinned_key_needs_no_file_and_another_is_refused() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    fs::remove_file(server.file("known_hosts")).unwrap();
    let key = fingerprint(&server.file("host.pub"));
    let ssh = connect(with_rule(&server, HostKey::Pinned(key.clone()))).await;
    assert_eq!(ssh.host_key().await, key);
    let other = fingerprint(&server.file("user.pub"));
    let said = trouble(with_rule(&server, HostKey::Pinned(other.clone()))).await;
    assert_says(&said, &["refused: ", &key, &other, "is pinned"]);
    assert!(!server.file("known_hosts").exists());
}

#[tokio::test]
async fn hashed_names_are_found() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let file = server.file("known_hosts").display().to_string();
    keygen_done(&["-H", "-f", &file]);
    assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
    connect(server.login()).await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_though_it_is_known() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let key = fs::read_to_string(server.file("host.pub")).unwrap();
    let known = fs::read_to_string(server.file("known_hosts")).unwrap();
    fs::write(server.file("known_hosts"), format!("{known}@revoked * {key}")).unwrap();
    let place = format!("{}:2", server.file("known_hosts").display());
    assert_says(&trouble(server.login()).await, &["refused: ", "is revoked in ", &place]);
    assert_says(&trouble(with_rule(&server, HostKey::AcceptNew)).await, &["is revoked in "]);
}

#[tokio::test]
async fn of_several_keys_the_server_is_asked_for_the_one_that_is_known() {
    if !sshd::is_there() {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let rsa = folder.path().join("host_rsa");
    keygen(&rsa, "rsa", "");
    let server = Sshd::start_with(&format!("HostKey {}", rsa.display()));
    let key = fs::read_to_string(rsa.with_extension("pub")).unwrap();
    fs::write(server.file("known_hosts"), format!("[127.0.0.1]:{} {key}", server.port)).unwrap();
    assert_eq!(connect(server.login()).await.host_key().await, fingerprint(&rsa.with_extension("pub")));
    server.know_host();
    assert_eq!(connect(server.login()).await.host_key().await, fingerprint(&server.file("host.pub")));
}

/// Starts a server whose key is signed by `ca` for `names`.
fn certified(names: &str, options: &[&str]) -> (Sshd, tempfile::TempDir) {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    keygen(&folder.path().join("ca"), "ed25519", "");
    keygen(&folder.path().join("certified"), "ed25519", "");
    let public = path("certified.pub");
    let authority = path("ca");
    keygen_done(&[&["-q", "-h", "-I", "host", "-s", &authority, "-n", names], options, &[&public]].concat());
    let lines = format!("HostKey {}\nHostCertificate {}", path("certified"), path("certified-cert.pub"));
    let server = Sshd::start_with(&lines);
    let key = fs::read_to_string(path("ca.pub")).unwrap();
    fs::write(server.file("known_hosts"), format!("@cert-authority [127.0.0.1]:* {key}")).unwrap();
    // The server reads its keys anew for each connection.
    (server, folder)
}

#[tokio::test]
async fn a_certificate_of_a_known_authority_is_believed() {
    if !sshd::is_there() {
        return;
    }
    let (server, _keys) = certified("127.0.0.1,other", &[]);
    connect(server.login()).await;
}

#[tokio::test]
async fn a_certificate_for_another_host_or_another_time_is_refused() {
    if !sshd::is_there() {
        return;
    }
    let (server, _keys) = certified("other", &[]);
    let said = trouble(server.login()).await;
    assert_says(&said, &["refused: ", "its certificate is for `other`, not for `127.0.0.1`"]);
    let (server, _keys) = certified("127.0.0.1", &["-V", "20200101:20200102"]);
    let said = trouble(server.login()).await;
    assert_says(&said, &["refused: ", "is not valid here or not now"]);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    if !sshd::is_there() {
        return;
    }
    let (server, _keys) = certified("127.0.0.1", &[]);
    let key = fs::read_to_string(server.file("user.pub")).unwrap();
    fs::write(server.file("known_hosts"), format!("@cert-authority * {key}")).unwrap();
    assert_says(&trouble(server.login()).await, &["refused: ", "is not valid here or not now"]);
}

#[tokio::test]
async fn no_authority_vouches_for_another_key_than_the_pinned_one() {
    if !sshd::is_there() {
        return;
    }
    let (server, keys) = certified("127.0.0.1", &[]);
    let pinned = fingerprint(&server.file("user.pub"));
    let said = trouble(with_rule(&server, HostKey::Pinned(pinned.clone()))).await;
    assert_says(&said, &["refused: ", &format!("{pinned} is pinned")]);
    let certified = fingerprint(&keys.path().join("certified.pub"));
    let other = fingerprint(&server.file("host.pub"));
    // The server may show either of its keys.
    let shown = if said.contains(&certified) { certified } else { other };
    connect(with_rule(&server, HostKey::Pinned(shown))).await;
}

#[tokio::test]
async fn a_pinned_key_that_is_revoked_is_refused() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let key = fs::read_to_string(server.file("host.pub")).unwrap();
    fs::write(server.file("known_hosts"), format!("@revoked * {key}")).unwrap();
    let pinned = fingerprint(&server.file("host.pub"));
    assert_says(&trouble(with_rule(&server, HostKey::Pinned(pinned))).await, &["refused: ", "is revoked in"]);
}

#[tokio::test]
async fn a_host_that_comes_back_with_another_key_is_not_the_same_host() {
    if !sshd::is_there() {
        return;
    }
    let mut server = Sshd::start();
    let ssh = connect(server.login()).await;
    let host = Host::new(std::sync::Arc::new(ssh), Become::Nobody);
    host.run(&Script::new(":"), Limits::default()).await.unwrap();
    fs::remove_file(server.file("host")).unwrap();
    fs::remove_file(server.file("host.pub")).unwrap();
    keygen(&server.file("host"), "ed25519", "");
    server.restart();
    // Somebody has even made the new key known.
    server.know_host();
    let error = loop {
        match host.run(&Script::new(":"), Limits::default()).await {
            Ok(_) => panic!("it was taken for the same host"),
            // The old connection may be found dead only while the script is on its way.
            Err(chaos_host::HostError::Unreachable(_)) => {}
            Err(error) => break error,
        }
    };
    assert_says(&told(&error), &["refused: ", "its key changed since this run connected first"]);
}

#[tokio::test]
async fn known_hosts_that_are_no_file_are_refused_at_once_and_the_empty_device_knows_nobody() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let pipe = server.file("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let large = server.file("large");
    fs::File::create(&large).unwrap().set_len(17 << 20).unwrap();
    let with = |path: &Path| SshConfig { known_hosts: vec![path.to_owned()], ..server.login() };
    for (path, why) in [
        (&*pipe, "it is no regular file"),
        (Path::new("/dev/zero"), "it is no regular file"),
        (&*large, "larger than"),
    ] {
        let place = format!("refused: failed to read the known hosts in `{}`", path.display());
        assert_says(&trouble(with(path)).await, &[&place, why]);
    }
    assert_says(&trouble(with(Path::new("/dev/null"))).await, &["its host key is not known"]);
    connect(SshConfig { host_key: Some(HostKey::AcceptNew), ..with(Path::new("/dev/null")) }).await;
}
