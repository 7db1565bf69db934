//! What the user's SSH configuration says is followed, or it is said that it is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use chaos_host::Script;
use chaos_host::transport::ssh::{HostKey, SshConfig, UserConfig, listed_hosts};

use crate::sshd::{self, Sshd};
use crate::{assert_says, connect, host, say, trouble};

/// Writes a configuration with the server's values in the place of `PORT`, `KEY` and `KNOWN`.
fn write(server: &Sshd, text: &str) -> PathBuf {
    let text = text
        .replace("PORT", &server.port.to_string())
        .replace("KEY", &server.file("user").display().to_string())
        .replace("KNOWN", &server.file("known_hosts").display().to_string());
    let file = server.file("ssh_config");
    fs::write(&file, text).unwrap();
    file
}

fn to(name: &str, file: PathBuf) -> SshConfig {
    SshConfig { user_config: UserConfig::File(file), ..SshConfig::new(name) }
}

const USUAL: &str =
    "Host web*\n HostName 127.0.0.1\n Port PORT\n IdentityFile KEY\n UserKnownHostsFile KNOWN\n";

#[tokio::test]
async fn a_name_of_the_configuration_is_enough() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let file = write(&server, USUAL);
    let ssh = connect(to("web-1", file.clone())).await;
    assert!(ssh.name().ends_with(&format!("@127.0.0.1:{}", server.port)), "{}", ssh.name());
    assert!(ssh.notes().is_empty(), "{:?}", ssh.notes());
    assert_eq!(say(&host(to("web-1", file.clone())).await, &Script::new("printf x")).await, "x");
    assert_says(
        &trouble(SshConfig { user_config: UserConfig::None, ..to("web-1", file) }).await,
        &["address of `web-1`"],
    );
}

#[tokio::test]
async fn an_alias_of_a_host_key_stands_for_host_and_port() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let file = write(&server, &format!("{USUAL} HostKeyAlias box\n StrictHostKeyChecking accept-new\n"));
    let known = |key: &str| {
        let key = fs::read_to_string(server.file(key)).unwrap();
        fs::write(server.file("known_hosts"), format!("box {key}")).unwrap();
    };
    known("host.pub");
    connect(to("web-1", file.clone())).await;
    // Another key than the known one is a changed one, and not the first of somebody new.
    known("user.pub");
    assert_says(&trouble(to("web-1", file)).await, &["refused: ", "its key changed", "`box`"]);
}

#[tokio::test]
async fn a_timeout_without_end_has_one_here() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    for timeout in ["18446744073709551615", "18446744073709551615m"] {
        let file = write(&server, &format!("{USUAL} ConnectTimeout {timeout}\n"));
        connect(to("web-1", file)).await;
    }
}

#[tokio::test]
async fn it_is_known_to_which_address_a_name_led() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let file = write(&server, &USUAL.replace("127.0.0.1", "localhost"));
    let ssh = connect(SshConfig { host_key: Some(HostKey::AcceptNew), ..to("web-1", file) }).await;
    assert_eq!(ssh.address().await, Some(std::net::Ipv4Addr::LOCALHOST.into()));
}

#[tokio::test]
async fn what_is_said_explicitly_wins() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let wrong = "Host web\n HostName 127.0.0.1\n Port 1\n User nobody-at-all\n IdentityFile /nowhere\n \
                 UserKnownHostsFile /nowhere\n StrictHostKeyChecking no\n";
    let file = write(&server, wrong);
    let me = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
    let config = SshConfig {
        host: "web".to_owned(),
        username: Some(me),
        host_key: Some(HostKey::Strict),
        user_config: UserConfig::File(file),
        ..server.login()
    };
    connect(config).await;
}

#[tokio::test]
async fn of_several_values_the_first_counts_and_files_are_included() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    fs::create_dir(server.file("config.d")).unwrap();
    let part = "Host web\n  Port PORT\nHost *\n  Port 2\n".replace("PORT", &server.port.to_string());
    fs::write(server.file("config.d/10-ports"), part).unwrap();
    fs::write(server.file("config.d/.hidden"), "Port 3\n").unwrap();
    let text = format!(
        "Include \"{}/config.d/*\"\nHost !web *\n  HostName 192.0.2.1\nHost web\n  hostname=127.0.0.1 # here\n  \
         IdentityFile \"KEY\"\n  UserKnownHostsFile KNOWN\nPort 4\n",
        server.dir.path().display()
    );
    let file = write(&server, &text);
    connect(to("web", file)).await;
}

#[tokio::test]
async fn match_is_followed_where_it_can_be_and_noted_where_not() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let text = format!(
        "Match exec \"true\"\n Port 1\nMatch final all\n Port 2\nMatch originalhost web,db user root\n IdentityFile KEY\n{USUAL}"
    );
    let file = write(&server, &text);
    let config = SshConfig { username: Some("root".to_owned()), ..to("web", file.clone()) };
    let ssh = connect(config).await;
    let notes = ssh.notes().join("\n");
    assert_says(&notes, &[&format!("`Match exec` in {}:1 is not understood", file.display())]);
    assert_eq!(ssh.notes().len(), 1, "{notes}");
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused_with_its_line() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let file = write(&server, &format!("Host web\n ProxyCommand nc %h %p\n{USUAL}"));
    let place = format!("failed to follow `proxycommand` in {}:2", file.display());
    assert_says(&trouble(to("web", file.clone())).await, &["refused: ", &place, "use `ProxyJump`"]);
    connect(to("web-1", file)).await;
    let file = write(&server, &format!("ProxyCommand none\nCiphers aes128-ctr\n{USUAL}"));
    let ssh = connect(to("web", file)).await;
    assert_says(&ssh.notes().join("\n"), &["`ciphers` in ", ":2 is not followed"]);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_or_trusted_is_refused() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let file = write(&server, &format!("{USUAL} Port\n"));
    assert_says(&trouble(to("web", file)).await, &["refused: ", "line 6: a value is missing"]);
    let file = write(&server, "Host web\n Port many\n");
    assert_says(&trouble(to("web", file)).await, &["refused: failed to follow `port many` in ", ":2"]);
    let file = write(&server, USUAL);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert_says(&trouble(to("web", file.clone())).await, &["refused: ", "others may write it", "chmod go-w"]);
    assert_says(&trouble(to("web", server.file("nowhere"))).await, &["refused: ", "No such file"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let file = write(&server, "Host web\n ProxyJump db\nHost db\n ProxyJump web\n");
    assert_says(&trouble(to("web", file)).await, &["refused: failed to follow `ProxyJump", "in a circle"]);
}

#[tokio::test]
async fn strict_checking_that_is_off_still_refuses_a_changed_key() {
    if !sshd::is_there() {
        return;
    }
    let server = Sshd::start();
    let file = write(&server, &format!("StrictHostKeyChecking no\n{USUAL}"));
    let ssh = connect(to("web", file.clone())).await;
    assert_says(&ssh.notes().join("\n"), &["`StrictHostKeyChecking no` is taken for `accept-new`"]);
    let key = fs::read_to_string(server.file("user.pub")).unwrap();
    fs::write(server.file("known_hosts"), format!("[127.0.0.1]:{} {key}", server.port)).unwrap();
    assert_says(&trouble(to("web", file)).await, &["its key changed"]);
    let nowhere = USUAL.replace("KNOWN", "/dev/null");
    let file = write(&server, &format!("StrictHostKeyChecking no\n{nowhere}"));
    connect(to("web", file)).await;
}

#[tokio::test]
async fn the_hosts_of_a_configuration_are_listed_by_pattern() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("config");
    fs::write(&file, "Host web-1 web-2\n User a\nHost web-* !web-3\nHost db\n User b\nHost web-1\n").unwrap();
    let listed = |pattern| listed_hosts(&UserConfig::File(file.clone()), pattern).unwrap();
    assert_eq!(listed("web-*"), ["web-1", "web-2"]);
    assert_eq!(listed("*"), ["web-1", "web-2", "db"]);
    assert!(listed("nothing").is_empty());
}

#[tokio::test]
async fn a_configuration_that_is_no_file_is_refused_at_once_and_the_empty_device_says_nothing() {
    let dir = tempfile::TempDir::new().unwrap();
    let pipe = dir.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [pipe, PathBuf::from("/dev/zero")] {
        let place = format!("refused: failed to read the SSH configuration `{}`", path.display());
        let said = tokio::time::timeout(Duration::from_secs(5), trouble(to("web-1", path))).await.unwrap();
        assert_says(&said, &[&place, "it is no regular file"]);
    }
    let nothing = UserConfig::File(PathBuf::from("/dev/null"));
    assert_eq!(listed_hosts(&nothing, "*").unwrap(), Vec::<String>::new());
}
