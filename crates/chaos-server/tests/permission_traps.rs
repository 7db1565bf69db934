//! `server.permission_change` where a directory or somebody else makes it hard: links that lead elsewhere, and files that nobody
//! may change any more.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use std::time::Duration;

use chaos_core::fault::RevertOutcome;
use chaos_server::OnHost;
use chaos_server::faults::permission_change::PermissionChange;
use serde_json::json;
use stage::{Setup, Stage, told};
use world::{TestHost, wait_until};

type Permissions = Stage<OnHost<PermissionChange>>;

const SOON: Duration = Duration::from_secs(20);

/// A farm of links of every kind, with a few files among them, on a mount that has another one below it.
const FARM: &str = "while umount /ext/farm/mount 2>/dev/null; do :; done; rm -rf /ext/farm; mkdir -p /ext/farm/a/b /ext/farm/mount /data/away; cd /ext/farm
    touch file a/file a/b/file /data/away/file
    ln -s . loop; ln -s .. a/up; ln -s ../a a/b/round; ln -s first second; ln -s second first; ln -s itself itself
    ln -s /etc etc; ln -s /etc/passwd passwd; ln -s /etc/shadow a/shadow; ln -s / root; ln -s /nowhere dangling
    ln -s /data/away away; ln -s /data/away/file a/away; ln -s file near; ln -s ../file a/near; ln -s '; reboot' 'a link'
    for n in 1 2 3 4 5 6 7 8 9; do ln -s ../.. a/b/up$n; ln -s /etc/hosts a/b/hosts$n; done
    mount -t tmpfs -o size=1m,mode=755 none mount; touch mount/file; ln -s /etc/passwd mount/passwd; ln -s mount/file into";

#[tokio::test]
async fn in_a_farm_of_links_only_real_files_of_that_mount_change_and_all_come_back() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh(FARM).await;
    let stage = Permissions::on(host, Setup::default()).await;
    // All files and directories of the host that are not below the farm, as they must stay all the time.
    let others = "find / /data /tmp /ext/farm/mount -xdev \\( -path '/var/*' -o -path /etc/systemd \
        -o -path '/etc/systemd/*' -o -type l \\) -prune -o -printf '%p %m %U:%G\\n' | sort | sha256sum";
    let before = stage.host.sh(others).await;
    let step = stage.step(json!({ "paths": ["/ext/farm"], "recursive": true, "mode": "700" })).await;
    let mut meant: Vec<_> = step.what.files.iter().map(|file| file.0.as_str()).collect();
    meant.sort_unstable();
    let real = ["", "/a", "/a/b", "/a/b/file", "/a/file", "/file"].map(|name| format!("/ext/farm{name}"));
    assert_eq!(meant, real);
    let (session, effect) = stage.act(&step).await;
    assert_eq!(effect.0["paths_changed"], json!(real.len()));
    let changed = stage.host.sh("find /ext/farm -perm 700 ! -type l | sort").await;
    assert_eq!(changed.lines().collect::<Vec<_>>(), real);
    assert_eq!(stage.host.sh(others).await, before);
    stage.finish(session).await.unwrap();
    let reverted = stage.revert(&step).await;
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::Restored, 0), "{reverted:?}");
    assert_eq!(reverted.effect.0["restored"], json!(real.len()));
    stage.end(&step).await;
    stage.host.sh("umount /ext/farm/mount; rm -rf /ext/farm /data/away").await;
}

/// Files of which somebody makes some immutable while the fault lasts.
const FILES: &str =
    "chattr -R -i -a /ext/fixed 2>/dev/null; rm -rf /ext/fixed; mkdir /ext/fixed; cd /ext/fixed
    touch one two three four 'odd\nname'; chmod 640 three; mkdir dir";
const FIX: &str = "cd /ext/fixed; chattr +i two; chattr +a four; chattr +i dir";
const UNFIX: &str = "cd /ext/fixed; chattr -i two dir; chattr -a four";

/// What is left of them is told, in the order of their names.
fn expected() -> Vec<String> {
    let line = |name: &str, mode: &str, how: &str| {
        format!(
            "permissions of `/ext/fixed/{name}` (mode {mode}, owner 0:0, inode N before): it is {how} now; left as it is"
        )
    };
    vec![
        line("dir", "0755", "immutable or append-only"),
        line("four", "0644", "immutable or append-only"),
        line("two", "0644", "immutable or append-only"),
    ]
}

#[tokio::test]
async fn a_file_that_somebody_made_immutable_is_a_conflict_and_all_others_come_back() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh(FILES).await;
    let stage = Permissions::on(host, Setup::default()).await;
    let step = stage.step(json!({ "paths": ["/ext/fixed"], "recursive": true, "mode": "500" })).await;
    let (session, _) = stage.act(&step).await;
    stage.host.sh(FIX).await;
    stage.finish(session).await.unwrap();
    let reverted = stage.revert(&step).await;
    assert_eq!(told(&reverted), expected());
    assert_eq!(reverted.effect.0["restored"], json!(step.what.files.len() - expected().len()));
    let left = stage.host.sh("find /ext/fixed -perm 500 -printf '%f ' | tr ' ' '\\n' | sort").await;
    assert_eq!(left.split_whitespace().collect::<Vec<_>>(), ["dir", "four", "two"]);
    // Who mends it and asks again has everything back.
    stage.host.sh(UNFIX).await;
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.conflicts_total, 0, "{reverted:?}");
    stage.end(&step).await;
    stage.host.sh("rm -rf /ext/fixed").await;
}

#[tokio::test]
async fn a_deadline_that_meets_an_immutable_file_ends_and_tells_it() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh(FILES).await;
    let setup = Setup { hold: Duration::from_secs(3), margin: Some("2s"), ..Setup::default() };
    let stage = Permissions::on(host, setup).await;
    let step = stage.step(json!({ "paths": ["/ext/fixed"], "recursive": true, "mode": "500" })).await;
    let (session, _) = stage.act(&step).await;
    stage.host.sh(FIX).await;
    drop(session);
    let done = format!("[ -e {}/done ]", step.rope.dir);
    wait_until("the deadline has come and ended", SOON, async || stage.host.is_true(&done).await).await;
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.outcome, RevertOutcome::AlreadyUndone);
    assert_eq!(reverted.conflicts_total, 3, "{reverted:?}");
    stage.host.sh(UNFIX).await;
    assert_eq!(stage.revert(&step).await.conflicts_total, 0);
    stage.end(&step).await;
    stage.host.sh("rm -rf /ext/fixed").await;
}

#[tokio::test]
async fn what_an_undo_needs_is_shown_to_root_only() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("rm -rf /ext/seen; mkdir /ext/seen; touch /ext/seen/secret").await;
    let stage = Permissions::on(host, Setup { user: "chaos", ..Setup::default() }).await;
    let step = stage.step(json!({ "paths": ["/ext/seen/secret"] })).await;
    let (session, _) = stage.act(&step).await;
    let dir = &step.rope.dir;
    assert_eq!(stage.host.sh(&format!("stat -c '%a %u:%g' {dir}")).await.trim(), "700 0:0");
    let files = stage.host.sh(&format!("find {dir} -type f")).await;
    assert!(files.contains("/undo.sh"), "{files}");
    let seen = format!(
        "runuser -u plain -- ls {dir} 2>&1; find {dir} -type f -exec runuser -u plain -- test -r {{}} ';' -print"
    );
    let refused = format!("ls: cannot open directory '{dir}': Permission denied\n");
    assert_eq!(stage.host.sh(&seen).await, refused);
    stage.finish(session).await.unwrap();
    stage.revert(&step).await;
    // What it did is shown to nobody else either.
    assert!(stage.host.is_true(&format!("[ -e {dir}/done ]")).await);
    assert_eq!(stage.host.sh(&seen).await, refused);
    stage.end(&step).await;
    stage.host.sh("rm -rf /ext/seen").await;
}
