//! On a real host with real accounts: `sudo`, passwords, and logins that do not lead to a shell.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chaos_core::Secret;
use chaos_host::transport::ssh::{Auth, KeyFile, SshConfig, UserConfig};
use chaos_host::{Become, Host, HostError, Limits, Script};
use serde_json::Value;

use crate::{assert_says, connect, host, say, told, trouble};

/// The second test host; nobody may restart it or cut it off meanwhile.
struct TestHost {
    world: Value,
    index: usize,
    _lock: File,
}

impl TestHost {
    fn systemd() -> Option<Self> {
        Self::new("th2")
    }

    fn busybox() -> Option<Self> {
        Self::new("th3")
    }

    fn new(name: &str) -> Option<Self> {
        let path = std::env::var("CHAOS_TEST_HOSTS")
            .unwrap_or_else(|_| "/var/tmp/chaos-agents-env/host/hosts.json".to_owned());
        let Ok(text) = std::fs::read_to_string(&path) else {
            let why = "the test hosts are not up; run `cargo xtask env up`";
            assert!(!std::env::var("CHAOS_TEST_REQUIRE").is_ok_and(|value| value == "1"), "{why}");
            eprintln!("SKIPPED: {why}");
            return None;
        };
        let world: Value = serde_json::from_str(&text).unwrap();
        let index = world["hosts"].as_array().unwrap().iter().position(|host| host["name"] == name).unwrap();
        let folder = PathBuf::from(world["hosts"][index]["folder"].as_str().unwrap());
        let lock = File::options().create(true).append(true).open(folder.with_extension("in-use")).unwrap();
        lock.lock_shared().unwrap();
        Some(Self { world, index, _lock: lock })
    }

    fn text(&self, pointer: &str) -> String {
        self.world.pointer(pointer).unwrap().as_str().unwrap().to_owned()
    }

    fn of_host(&self, key: &str) -> String {
        self.text(&format!("/hosts/{}/{key}", self.index))
    }

    fn key(&self, name: &str) -> KeyFile {
        KeyFile::new(self.text(&format!("/keys/{name}")), None)
    }

    fn login(&self, user: &str) -> SshConfig {
        self.login_with(user, Auth::Key(self.key("ed25519")))
    }

    fn login_with(&self, user: &str, auth: Auth) -> SshConfig {
        SshConfig {
            username: Some(user.to_owned()),
            auth: vec![auth],
            known_hosts: vec![self.text("/known_hosts").into()],
            user_config: UserConfig::None,
            ..SshConfig::new(self.of_host("address"))
        }
    }

    fn password(&self) -> String {
        self.of_host("users/chaospw/password")
    }

    /// Runs `id -u` as root the way `become` says.
    async fn id(&self, user: &str, root: Become) -> Result<(String, String), String> {
        let host = Host::new(Arc::new(connect(self.login(user)).await), root);
        let ask = async || match host.run(&Script::new("id -u; echo $$"), Limits::default()).await {
            Ok(output) => Ok((String::from_utf8(output.stdout).unwrap(), output.stderr)),
            Err(error) => Err(told(&error)),
        };
        let (said, complained) = ask().await?;
        // The next script goes to the same shell, and no password with it.
        assert_eq!(ask().await, Ok((said.clone(), complained.clone())));
        Ok((said.lines().next().unwrap().to_owned(), complained))
    }
}

fn sudo(password: Option<&str>) -> Become {
    Become::Sudo(password.map(Secret::new))
}

fn root() -> Result<(String, String), String> {
    Ok(("0".to_owned(), String::new()))
}

#[tokio::test]
async fn sudo_without_a_password_works_with_one_given_or_not() {
    let Some(host) = TestHost::systemd() else { return };
    assert_eq!(host.id("chaos", sudo(None)).await, root());
    // Were the password run as a command, standard error would say that there is no such command.
    assert_eq!(host.id("chaos", sudo(Some("touch /run/chaos-password-was-run"))).await, root());
    let there = Script::new("if [ -e /run/chaos-password-was-run ]; then echo there; fi");
    assert_eq!(say(&crate::host(host.login("root")).await, &there).await, "");
    let nobody = host.id("chaos", Become::Nobody).await.unwrap();
    assert_ne!(nobody.0, "0");
}

#[tokio::test]
async fn sudo_with_a_password_works_and_says_what_is_wrong_with_it() {
    let Some(host) = TestHost::systemd() else { return };
    assert_eq!(host.id("chaospw", sudo(Some(&host.password()))).await, root());
    let none = host.id("chaospw", sudo(None)).await.unwrap_err();
    assert_says(
        &none,
        &["refused: ", "sudo refused: it asks for a password and none was given", "`become_password`"],
    );
    let wrong = host.id("chaospw", sudo(Some("hunter2"))).await.unwrap_err();
    assert_says(&wrong, &["refused: ", "sudo refused: the password is wrong", "check `become_password`"]);
    assert!(!wrong.contains("hunter2"), "{wrong}");
}

#[tokio::test]
async fn a_shell_of_root_that_is_killed_under_a_script_is_told_at_once() {
    let Some(test) = TestHost::systemd() else { return };
    for (user, root) in [("chaos", sudo(None)), ("chaospw", sudo(Some(&test.password())))] {
        let host = Host::new(Arc::new(connect(test.login(user)).await), root);
        say(&host, &Script::new(":")).await;
        let error =
            host.run(&Script::new("kill -9 $$"), Limits::time(Duration::from_secs(10))).await.unwrap_err();
        assert_says(&told(&error), &["unreachable: failed to see a script to its end"]);
        assert_eq!(say(&host, &Script::new("id -u")).await, "0\n");
    }
}

#[tokio::test]
async fn a_wrong_sudo_password_is_tried_once() {
    let Some(host) = TestHost::systemd() else { return };
    let root = crate::host(host.login("root")).await;
    let tries = Script::new("journalctl -q -o cat _COMM=sudo | grep -c 'incorrect password attempt' || :");
    let attempts =
        Script::new("journalctl -q -o cat _COMM=sudo | grep 'incorrect password attempt' | tail -n 1");
    let before: u32 = say(&root, &tries).await.trim().parse().unwrap();
    host.id("chaospw", sudo(Some("hunter2"))).await.unwrap_err();
    let after: u32 = say(&root, &tries).await.trim().parse().unwrap();
    assert!(after > before, "{before} {after}");
    assert_says(&say(&root, &attempts).await, &["1 incorrect password attempt"]);
}

#[tokio::test]
async fn an_account_without_sudo_is_refused() {
    let Some(host) = TestHost::systemd() else { return };
    let none = host.id("plain", sudo(None)).await.unwrap_err();
    assert_says(&none, &["refused: ", "sudo refused: "]);
    let given = host.id("plain", sudo(Some("hunter2"))).await.unwrap_err();
    assert_says(&given, &["refused: ", "sudo refused: "]);
    let Some(host) = TestHost::busybox() else { return };
    let none = host.id("plain", sudo(None)).await.unwrap_err();
    assert_says(&none, &["refused: ", "sudo refused: there is no `sudo` on the host"]);
}

#[tokio::test]
async fn a_password_lets_in_and_a_wrong_one_does_not() {
    let Some(test) = TestHost::systemd() else { return };
    let with = |password: &str| test.login_with("chaospw", Auth::Password(Secret::new(password)));
    assert_eq!(say(&host(with(&test.password())).await, &Script::new("id -un")).await, "chaospw\n");
    let said = trouble(with("hunter2")).await;
    assert_says(&said, &["refused: failed to log in to `chaospw@", "password: refused"]);
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_password_is_given_in_a_dialogue_where_the_server_wants_one() {
    let Some(test) = TestHost::systemd() else { return };
    let root = host(test.login("root")).await;
    let serve = Script::new(
        "/usr/sbin/sshd -D -p 2201 -o PidFile=none -o PasswordAuthentication=no -o KbdInteractiveAuthentication=yes \
         -o UsePAM=yes -f /dev/null -o AuthenticationMethods=keyboard-interactive >/dev/null 2>&1 & echo $!",
    );
    let pid = say(&root, &serve).await;
    let known = tempfile::NamedTempFile::new().unwrap();
    let with = |password: &str| SshConfig {
        port: Some(2201),
        host_key: Some(chaos_host::transport::ssh::HostKey::AcceptNew),
        known_hosts: vec![known.path().to_owned()],
        ..test.login_with("chaospw", Auth::Password(Secret::new(password)))
    };
    let end = std::time::Instant::now() + Duration::from_secs(5);
    while std::net::TcpStream::connect((test.of_host("address"), 2201)).is_err() {
        assert!(std::time::Instant::now() < end, "the second server does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let right = chaos_host::transport::ssh::Ssh::connect(with(&test.password())).await;
    let wrong = chaos_host::transport::ssh::Ssh::connect(with("hunter2")).await;
    let end = Script::new("kill \"$pid\"").set("pid", pid.trim());
    root.must("end the second server", &end, Limits::default()).await.unwrap();
    assert!(right.is_ok(), "{}", told(&right.err().unwrap()));
    let said = told(&wrong.err().unwrap());
    assert_says(&said, &["refused: ", "password (asked in a dialogue): refused"]);
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn all_kinds_of_keys_are_let_in_on_all_kinds_of_hosts() {
    for test in [TestHost::systemd(), TestHost::busybox()].into_iter().flatten() {
        for name in ["ed25519", "ecdsa", "rsa"] {
            let host = host(test.login_with("root", Auth::Key(test.key(name)))).await;
            assert_eq!(say(&host, &Script::new("id -u")).await, "0\n", "{name}");
        }
        let passphrase = Some(Secret::new(test.text("/keys/passphrase")));
        let locked = KeyFile::new(test.text("/keys/with_passphrase"), passphrase);
        connect(test.login_with("root", Auth::Key(locked))).await;
        let said = trouble(test.login_with("root", Auth::Key(test.key("stranger")))).await;
        assert_says(&said, &["id_stranger`: refused"]);
    }
    let Some(test) = TestHost::systemd() else { return };
    connect(test.login_with("root", Auth::Key(test.key("certified")))).await;
}

#[tokio::test]
async fn an_account_without_a_shell_is_told() {
    let Some(test) = TestHost::systemd() else { return };
    let nologin = host(test.login("nologin")).await;
    let error = nologin.run(&Script::new(":"), Limits::default()).await.unwrap_err();
    assert_says(&told(&error), &["not run: ", "account is currently not available", "`nologin`"]);
}

#[tokio::test]
async fn a_login_that_hangs_is_given_up() {
    let Some(test) = TestHost::systemd() else { return };
    let hang = host(test.login("hang")).await;
    let error = hang.run(&Script::new(":"), Limits::time(Duration::from_secs(1))).await.unwrap_err();
    assert!(matches!(error, HostError::Bounds(_)), "{}", told(&error));
}

#[tokio::test]
async fn noise_of_a_login_is_not_taken_for_an_answer() {
    let Some(test) = TestHost::systemd() else { return };
    let noisy = host(test.login("noisy")).await;
    let output = noisy.run(&Script::new("printf x; echo trouble >&2"), Limits::default()).await.unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_str()), (&b"x"[..], "trouble"));
}

#[tokio::test]
async fn a_host_is_reached_by_ipv6() {
    let Some(test) = TestHost::systemd() else { return };
    let config = SshConfig { host: test.of_host("ipv6"), ..test.login("root") };
    assert_eq!(say(&host(config).await, &Script::new("id -u")).await, "0\n");
}
