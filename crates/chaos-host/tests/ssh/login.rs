//! Who is let in, with what, and what is said to who is not.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use chaos_core::Secret;
use chaos_host::Script;
use chaos_host::transport::ssh::{self, Auth, KeyFile, SshConfig, UserConfig};

use crate::sshd::{self, Sshd, fingerprint, keygen};
use crate::{assert_says, host, say, trouble};

fn with_key(server: &Sshd, file: KeyFile) -> SshConfig {
    SshConfig { auth: vec![Auth::Key(file)], ..server.login() }
}

/// Lets one more key in.
fn authorize(server: &Sshd, public: &Path) {
    let known = fs::read_to_string(server.file("authorized")).unwrap();
    fs::write(server.file("authorized"), known + &fs::read_to_string(public).unwrap()).unwrap();
}

#[tokio::test]
async fn keys_of_every_kind_are_let_in() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = server.file(&format!("key_{kind}"));
        keygen(&key, kind, "");
        authorize(&server, &key.with_extension("pub"));
        let host = host(with_key(&server, KeyFile::new(key, None))).await;
        assert_eq!(say(&host, &Script::new("printf hello")).await, "hello", "{kind}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_let_in_is_named_with_what_the_server_offers() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    keygen(&server.file("stranger"), "ed25519", "");
    let said = trouble(with_key(&server, KeyFile::new(server.file("stranger"), None))).await;
    assert_says(
        &said,
        &["refused: failed to log in to `", "stranger`: refused", "offers publickey", "`username`"],
    );
}

#[tokio::test]
async fn an_unknown_user_is_refused_and_named() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let said = trouble(SshConfig { username: Some("no-such-user".to_owned()), ..server.login() }).await;
    assert_says(&said, &["refused: ", "no-such-user@127.0.0.1", "check `username` (`no-such-user`)"]);
}

#[tokio::test]
async fn a_password_where_only_keys_are_taken_says_so() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let auth = vec![Auth::Password(Secret::new("hunter2"))];
    let said = trouble(SshConfig { auth, ..server.login() }).await;
    assert_says(&said, &["password: the server takes none", "offers publickey"]);
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_passphrase_opens_its_key_and_a_wrong_one_is_told_from_none() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let key = server.file("locked");
    keygen(&key, "ed25519", "open sesame");
    authorize(&server, &server.file("locked.pub"));
    let with = |passphrase: Option<&str>| with_key(&server, KeyFile::new(&key, passphrase.map(Secret::new)));
    assert_eq!(say(&host(with(Some("open sesame"))).await, &Script::new("printf x")).await, "x");
    let wrong = trouble(with(Some("hunter2"))).await;
    assert_says(&wrong, &["refused: ", &format!("the passphrase of `{}` is wrong", key.display())]);
    assert!(!wrong.contains("hunter2"), "{wrong}");
    assert_says(&trouble(with(None)).await, &["refused: ", "it needs a passphrase", "`passphrase`"]);
}

#[tokio::test]
async fn an_old_pem_key_with_a_passphrase_is_opened_too() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let key = server.file("pem");
    keygen(&key, "rsa", "open sesame");
    let done = Command::new("ssh-keygen")
        .args(["-p", "-m", "PEM", "-P", "open sesame", "-N", "open sesame", "-f"])
        .arg(&key)
        .stdout(Stdio::null())
        .status();
    assert!(done.unwrap().success());
    assert!(fs::read_to_string(&key).unwrap().contains("BEGIN RSA PRIVATE KEY"));
    authorize(&server, &server.file("pem.pub"));
    let with = |passphrase: Option<&str>| with_key(&server, KeyFile::new(&key, passphrase.map(Secret::new)));
    assert_eq!(say(&host(with(Some("open sesame"))).await, &Script::new("printf x")).await, "x");
    assert_says(&trouble(with(Some("wrong"))).await, &["the passphrase of `", "is wrong"]);
    assert_says(&trouble(with(None)).await, &["it needs a passphrase"]);
}

#[tokio::test]
async fn a_key_file_that_cannot_be_used_says_why() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let with = |path: PathBuf| trouble(with_key(&server, KeyFile::new(path, None)));
    assert_says(
        &with(server.file("nowhere")).await,
        &["refused: failed to read the key `", "there is no such file"],
    );
    assert_says(&with(server.file("user.pub")).await, &["refused: ", "the public half of a key"]);
    assert_says(&with(server.dir.path().to_owned()).await, &["refused: ", "this is not a key file"]);
    fs::set_permissions(server.file("user"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_says(
        &with(server.file("user")).await,
        &["refused: ", "others may read it (mode 0644)", "chmod 600"],
    );
}

#[tokio::test]
async fn a_certificate_beside_its_key_lets_in_until_it_is_for_somebody_else() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let me = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
    keygen(&server.file("ca"), "ed25519", "");
    keygen(&server.file("certified"), "ed25519", "");
    let authority = fs::read_to_string(server.file("ca.pub")).unwrap();
    fs::write(server.file("authorized"), format!("cert-authority {authority}")).unwrap();
    let key = || with_key(&server, KeyFile::new(server.file("certified"), None));
    assert_says(&trouble(key()).await, &["certified`: refused"]);
    sign(&server, "certified", &["-n", &me]);
    assert_eq!(say(&host(key()).await, &Script::new("printf x")).await, "x");
    fs::rename(server.file("certified-cert.pub"), server.file("elsewhere")).unwrap();
    let named = KeyFile::new(server.file("certified"), None).certificate(server.file("elsewhere"));
    assert_eq!(say(&host(with_key(&server, named)).await, &Script::new("printf x")).await, "x");
    let missing = KeyFile::new(server.file("certified"), None).certificate(server.file("nowhere"));
    assert_says(&trouble(with_key(&server, missing)).await, &["refused: failed to read the certificate `"]);
    sign(&server, "certified", &["-n", "somebody-else"]);
    assert_says(&trouble(key()).await, &["certificate of `", "certified`: refused"]);
}

fn sign(server: &Sshd, key: &str, options: &[&str]) {
    let done = Command::new("ssh-keygen")
        .args(["-q", "-I", "test", "-s"])
        .arg(server.file("ca"))
        .args(options)
        .arg(server.file(&format!("{key}.pub")))
        .status();
    assert!(done.unwrap().success());
}

/// An agent of our own.
struct Agent {
    socket: PathBuf,
    child: Child,
}

impl Agent {
    fn start(socket: PathBuf) -> Self {
        let mut command = Command::new("ssh-agent");
        // One that outlives its test must not hold the output of the test.
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(std::time::Instant::now() < end, "ssh-agent does not start");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Self { socket, child }
    }

    fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        let done =
            command.env("SSH_AUTH_SOCK", &self.socket).arg("-q").arg(key).stderr(Stdio::null()).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn an_agent_lets_in_and_one_without_the_key_says_so() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let agent = Agent::start(server.file("agent"));
    let with = |fingerprint: Option<String>| SshConfig {
        auth: vec![Auth::Agent { socket: Some(agent.socket.clone()), fingerprint }],
        ..server.login()
    };
    assert_says(
        &trouble(with(None)).await,
        &["refused: failed to use the SSH agent at `", "it holds no key", "ssh-add"],
    );
    keygen(&server.file("other"), "rsa", "");
    agent.add(&server.file("other"));
    assert_says(&trouble(with(None)).await, &["of the agent: refused"]);
    agent.add(&server.file("user"));
    assert_eq!(say(&host(with(None)).await, &Script::new("printf x")).await, "x");
    let user = fingerprint(&server.file("user.pub"));
    assert_eq!(say(&host(with(Some(user))).await, &Script::new("printf x")).await, "x");
    let other = fingerprint(&server.file("other.pub"));
    assert_says(&trouble(with(Some(other.clone()))).await, &[&other, "refused"]);
    let nobody = "SHA256:nobody".to_owned();
    assert_says(&trouble(with(Some(nobody))).await, &["it holds no key with the fingerprint SHA256:nobody"]);
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_named() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let auth = vec![Auth::Agent { socket: Some(server.file("nowhere")), fingerprint: None }];
    let said = trouble(SshConfig { auth, ..server.login() }).await;
    assert_says(&said, &["refused: failed to reach the SSH agent at `", "nowhere"]);
}

#[tokio::test]
async fn an_agent_of_a_variable_is_asked_with_the_environment_of_who_connected_first() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let agent = Agent::start(server.file("agent"));
    agent.add(&server.file("user"));
    let text = "IdentityAgent $CHAOS_TEST_NOWHERE\nIdentityFile /nowhere\n";
    std::fs::write(server.file("ssh_config"), text).unwrap();
    let user_config = UserConfig::File(server.file("ssh_config"));
    let config = SshConfig { auth: Vec::new(), user_config, ..server.login() };
    let left_out = "agent of `IdentityAgent $CHAOS_TEST_NOWHERE` left out: the variable is not set";
    assert_says(&trouble(config.clone()).await, &["refused: ", left_out]);
    let socket = agent.socket.display().to_string();
    let variables = BTreeMap::from([("CHAOS_TEST_NOWHERE".to_owned(), socket)]);
    assert_eq!(ssh::variables(&config), BTreeMap::new());
    let config = SshConfig { variables: variables.clone(), ..config };
    assert_eq!(ssh::variables(&config), variables);
    assert_eq!(say(&host(config).await, &Script::new("printf x")).await, "x");
}

#[tokio::test]
async fn a_server_that_has_enough_of_our_tries_is_told_from_one_that_is_down() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start_with("MaxAuthTries 2");
    let agent = Agent::start(server.file("agent"));
    for name in ["one", "two", "three"] {
        keygen(&server.file(name), "ed25519", "");
        agent.add(&server.file(name));
    }
    let auth = vec![Auth::Agent { socket: Some(agent.socket.clone()), fingerprint: None }];
    let said = trouble(SshConfig { auth, ..server.login() }).await;
    assert_says(&said, &["refused: ", "Too many authentication failures", "`MaxAuthTries`"]);
}

#[test]
fn no_secret_is_in_the_debug_output_of_a_configuration() {
    let config = SshConfig {
        auth: vec![
            Auth::Password(Secret::new("hunter2")),
            Auth::Key(KeyFile::new("/key", Some(Secret::new("hunter2")))),
        ],
        ..SshConfig::new("host")
    };
    let text = format!("{config:?}");
    assert!(text.contains("/key") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn an_agent_that_never_answers_is_named_and_hides_no_key_in_a_file() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let socket = server.file("silent");
    // Connections to it are made, and nobody takes them.
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let auth = vec![Auth::Agent { socket: Some(socket.clone()), fingerprint: None }];
    let connect_timeout = Some(std::time::Duration::from_secs(2));
    let said = trouble(SshConfig { auth, connect_timeout, ..server.login() }).await;
    let place = format!("refused: failed to use the SSH agent at `{}`", socket.display());
    assert_says(&said, &[&place, "the agent does not answer"]);

    let text = |key: &str| {
        let key = server.file(key);
        let text = format!("IdentityAgent {}\nIdentityFile {}\n", socket.display(), key.display());
        std::fs::write(server.file("ssh_config"), text).unwrap();
        let user_config = UserConfig::File(server.file("ssh_config"));
        SshConfig { auth: Vec::new(), user_config, ..server.login() }
    };
    assert_eq!(say(&host(text("user")).await, &Script::new("printf x")).await, "x");
    let left_out = format!("agent at `{}` left out: it does not answer", socket.display());
    assert_says(&trouble(text("nowhere")).await, &[&left_out]);
}

#[tokio::test]
async fn a_certificate_that_is_no_file_is_refused_at_once() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let pipe = server.file("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let key = KeyFile::new(server.file("user"), None).certificate(pipe);
    let said = trouble(with_key(&server, key)).await;
    assert_says(&said, &["refused: failed to read the certificate `", "pipe", "it is no regular file"]);
}
