//! `server.permission_change` on real hosts: what changes, what comes back, and what is left alone.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

#[path = "world/hostile.rs"]
mod hostile;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use chaos_core::fault::RevertOutcome;
use chaos_server::OnHost;
use chaos_server::faults::permission_change::PermissionChange;
use serde_json::json;
use stage::{Setup, Stage, told};
use world::{TestHost, wait_until};

type Permissions = Stage<OnHost<PermissionChange>>;

const SOON: Duration = Duration::from_secs(20);

/// Takes a host, prepares it, and then looks at what is there before the fault.
async fn stage_with(name: &str, script: &str, setup: Setup) -> Option<Permissions> {
    let host = TestHost::get(name).await?;
    host.sh(script).await;
    Some(Permissions::on(host, setup).await)
}

/// Returns the modes of these paths, in one line.
async fn modes(host: &TestHost, paths: &str) -> String {
    host.sh(&format!("cd / && stat -c %a {paths}")).await.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_bit_list_and_capability_comes_back() {
    let script = "rm -rf /ext/p; mkdir -p /ext/p/d; cd /ext/p; echo x >plain; cp /bin/true suid; cp /bin/true caps; echo x >acl
        chmod 4755 suid; chmod 2751 d; chown 33:44 plain; chmod 640 plain; setcap cap_net_bind_service+ep caps
        setfacl -m u:33:rw,g:44:r,m::rw acl; setfacl -d -m u:33:rwx d; chmod 1777 /ext/p";
    let Some(stage) = stage_with("any", script, Setup::default()).await else { return };
    let paths = ["/ext/p/plain", "/ext/p/suid", "/ext/p/caps", "/ext/p/acl", "/ext/p/d", "/ext/p"];
    let step = stage.step(json!({"paths": paths, "mode": "000"})).await;
    stage.host.assert_same(&stage.before).await;
    let (session, effect) = stage.act(&step).await;
    assert_eq!(effect.0["paths_changed"], json!(6));
    assert_eq!(modes(&stage.host, &paths.join(" ")).await, "0 0 0 0 0 0");
    assert!(!stage.host.is_true("runuser -u www-data -- cat /ext/p/plain").await);
    let measured = stage.finish(session).await.unwrap().unwrap();
    assert_eq!(measured.0["paths_still_changed"], json!(6));
    let reverted = stage.revert(&step).await;
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::Restored, 0));
    assert_eq!(reverted.effect.0["restored"], json!(6));
    stage.end(&step).await;
    stage.host.sh("rm -rf /ext/p").await;
}

#[tokio::test]
async fn no_name_is_run_or_skipped_or_taken_for_another() {
    for (name, user) in [("any", "root"), ("any", "chaos"), ("th3", "root")] {
        let Some(host) = TestHost::get(name).await else { return };
        host.sh("rm -rf /data/hostile /ext/hostile; mkdir /ext/hostile").await;
        let names = hostile::names();
        assert!(names.len() >= 60, "{}", names.len());
        let mut paths = Vec::new();
        for (number, name) in names.iter().enumerate() {
            // Each below a directory of its own with a hostile name too, or two of them would be in each other's way.
            let path =
                format!("/ext/hostile/{number}/{}/{name}", if number % 2 == 0 { "$(x) 'y'\n" } else { "d" });
            let seen = host.path(&path);
            fs::create_dir_all(seen.parent().unwrap()).unwrap();
            fs::write(&seen, "x").unwrap_or_else(|error| panic!("{path:?}: {error}"));
            paths.push(path);
        }
        let stage = Permissions::on(host, Setup { user, ..Setup::default() }).await;
        let step = stage.step(json!({"paths": paths, "mode": "000"})).await;
        let (session, effect) = stage.act(&step).await;
        assert_eq!(effect.0["paths_changed"], json!(names.len()));
        let changed = stage.host.sh("find /ext/hostile -type f -perm 0 | tr -cd '\\n' | wc -c; find /ext/hostile -type f ! -perm 0").await;
        assert_eq!(changed.lines().count(), 1, "{changed}");
        let measured = stage.finish(session).await.unwrap().unwrap();
        assert_eq!(measured.0["paths_still_changed"], json!(names.len()));
        let reverted = stage.revert(&step).await;
        assert_eq!(reverted.effect.0["restored"], json!(names.len()));
        assert_eq!(reverted.conflicts_total, 0, "{:?}", reverted.conflicts);
        stage.disarm(&step).await;
        let canary = format!(
            "find / -xdev -name '{}*' 2>/dev/null; find /tmp /run /data -name '{}*'",
            hostile::CANARY,
            hostile::CANARY
        );
        let made = stage.host.sh(&canary).await;
        let made: Vec<_> = made.lines().filter(|line| !line.starts_with("/ext/hostile")).collect();
        assert_eq!(made, Vec::<&str>::new());
        stage.host.assert_soon_same(&stage.before).await;
        stage.host.sh("rm -rf /ext/hostile").await;
    }
}

#[tokio::test]
async fn what_somebody_else_changed_is_a_conflict_and_left_alone() {
    let script = "rm -rf /data/c; mkdir /data/c; cd /data/c; touch keep mode owner gone link other fine; echo secret >/data/c/victim; chmod 640 victim";
    let Some(stage) = stage_with("any", script, Setup::default()).await else { return };
    let names = ["keep", "mode", "owner", "gone", "link", "other", "fine"];
    let paths: Vec<_> = names.iter().map(|name| format!("/data/c/{name}")).collect();
    let step = stage.step(json!({"paths": paths})).await;
    let (session, _) = stage.act(&step).await;
    stage
        .host
        .sh("cd /data/c; chmod 600 mode; chown 33 owner; rm gone link other; ln -s victim link; mkfifo -m 0 other; chmod 644 fine")
        .await;
    drop(session);
    let reverted = stage.revert(&step).await;
    let nowhere = "It was looked for where its file system is mounted, and not found";
    assert_eq!(
        told(&reverted),
        [
            format!("permissions of `/data/c/gone` (mode 0644, owner 0:0, inode N before): it is not there any more; left as it is. {nowhere}"),
            format!("permissions of `/data/c/link` (mode 0644, owner 0:0, inode N before): it is a symbolic link now; left as it is. {nowhere}"),
            "permissions of `/data/c/mode` (mode 0644, owner 0:0, inode N before): its mode is 0600 now; left as it is".to_owned(),
            format!("permissions of `/data/c/other` (mode 0644, owner 0:0, inode N before): it is not there any more; left as it is. {nowhere}"),
            "permissions of `/data/c/owner` (mode 0644, owner 0:0, inode N before): its owner is 33:0 now; left as it is".to_owned(),
        ]
    );
    assert_eq!(reverted.effect.0["restored"], json!(1));
    assert_eq!(
        modes(&stage.host, "/data/c/keep /data/c/mode /data/c/victim /data/c/fine").await,
        "644 600 640 644"
    );
    stage.disarm(&step).await;
    stage.host.sh("rm -rf /data/c").await;
}

#[tokio::test]
async fn a_directory_swapped_for_a_link_between_plan_and_inject_is_refused_and_nothing_is_touched() {
    let script =
        "rm -rf /data/s; mkdir -p /data/s/real /data/s/evil; cd /data/s; touch real/a real/b evil/a evil/b";
    let Some(stage) = stage_with("any", script, Setup::default()).await else { return };
    let step = stage.step(json!({"paths": ["/data/s/real/a", "/data/s/real/b"]})).await;
    stage.host.sh("cd /data/s; mv real was; ln -s evil real").await;
    let (session, effect) = stage.try_act(&step).await;
    let error = effect.unwrap_err().chain();
    assert!(
        error.contains("`/data/s/real/a` is not as it was planned: another file has its name now"),
        "{error}"
    );
    assert_eq!(
        modes(&stage.host, "/data/s/was/a /data/s/evil/a /data/s/was/b /data/s/evil/b").await,
        "644 644 644 644"
    );
    drop(session);
    // What somebody else did before the inject is no conflict: nothing of ours was ever there.
    let reverted = stage.try_revert(&step, false).await.unwrap();
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::NothingToDo, 0), "{reverted:?}");
    stage.disarm(&step).await;
    stage.host.sh("rm -rf /data/s").await;
}

#[tokio::test]
async fn what_cannot_be_undone_or_would_lock_everybody_out_is_refused() {
    let script = "umount /ext/bind 2>/dev/null; chattr -i /ext/r/fixed 2>/dev/null; rm -rf /ext/r; mkdir -p /ext/r /ext/bind; cd /ext/r; touch a hard fixed; ln hard other; ln -s a link; mkfifo pipe
        ln -s /ext/r dir; chattr +i fixed; chmod 0 a; mount --bind /etc/ssh /ext/bind";
    let Some(stage) = stage_with("any", script, Setup::default()).await else { return };
    for (path, why) in [
        ("/ext/r/nothing", "is not there"),
        ("/ext/r/link", "is a symbolic link"),
        ("/ext/r/dir/hard", "leads through the symbolic link `/ext/r/dir`"),
        ("/ext/r/pipe", "neither a file nor a directory"),
        ("/ext/r/hard", "it has 2 names (hard links)"),
        ("/ext/r/fixed", "immutable"),
        ("/ext/r/a", "all have the mode 000"),
        ("/readonly", "mounted read-only"),
        ("/proc/1/status", "could not be entered or repaired"),
        ("/etc/ssh/sshd_config", "could not be entered or repaired"),
        ("/ext/bind/sshd_config", "could not be entered or repaired"),
        ("/etc", "nobody would get to"),
        ("/", "nobody would get to"),
        ("/root/.ssh", "keys that let people in"),
        ("/usr/bin/sudo", "could not be entered or repaired"),
        ("relative", "must be absolute"),
        ("/ext/../etc/shadow", "`..`"),
        ("/ext//r", "an empty part"),
        ("", "must be absolute"),
    ] {
        let refusal = stage.refusal(json!({"paths": [path]})).await;
        assert!(refusal.contains(why), "{path}: {refusal}");
    }
    let refusal = stage.refusal(json!({"paths": ["/ext/r"], "recursive": true, "max_paths": 2})).await;
    assert!(refusal.contains("`max_paths` is 2"), "{refusal}");
    fs::write(stage.host.path("/ext/r").join(OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
    let Err(error) = stage.prepare(json!({"paths": ["/ext/r"], "recursive": true})).await else {
        panic!("not refused")
    };
    assert!(error.chain().contains("it is not UTF-8"), "{}", error.chain());
    stage.host.sh("umount /ext/bind; chattr -i /ext/r/fixed; rm -rf /ext/r; rmdir /ext/bind").await;
}

#[tokio::test]
async fn without_paths_the_configuration_of_the_services_that_are_meant_is_chosen_and_said() {
    let Some(stage) = Permissions::get("any").await else { return };
    let refusal = stage.refusal(json!({})).await;
    assert!(refusal.contains("choose files of any service"), "{refusal}");
    drop(stage);
    let setup = Setup { filters: vec!["nginx.*", "ssh.*"], ..Setup::default() };
    let Some(stage) = Permissions::with("any", setup).await else { return };
    let step = stage.step(json!({"mode": "000"})).await;
    let line = step.to_string();
    assert!(line.contains("; the configuration of nginx.service"), "{line}");
    assert!(step.what.files.iter().any(|file| file.0 == "/etc/nginx/nginx.conf"), "{line}");
    assert!(step.what.files.iter().all(|file| !file.0.contains("ssh")), "{line}");
    drop(stage.act(&step).await);
    assert_eq!(modes(&stage.host, "/etc/nginx/nginx.conf").await, "0");
    assert!(!stage.host.is_true("runuser -u www-data -- cat /etc/nginx/nginx.conf").await);
    stage.revert(&step).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn zero_changed_paths_are_no_success() {
    let Some(stage) =
        stage_with("any", "mkdir -p /data/z && touch /data/z/a && chmod 000 /data/z/a", Setup::default())
            .await
    else {
        return;
    };
    let refusal = stage.refusal(json!({"paths": ["/data/z/a"]})).await;
    assert!(refusal.contains("find anything to change"), "{refusal}");
    stage.host.sh("rm -rf /data/z").await;
}

#[tokio::test]
async fn an_undo_works_twice_and_without_an_inject() {
    let Some(stage) =
        stage_with("any", "mkdir -p /data/t && touch /data/t/a /data/t/b", Setup::default()).await
    else {
        return;
    };
    let params = json!({"paths": ["/data/t"], "recursive": true, "mode": "500"});
    let step = stage.step(params.clone()).await;
    assert_eq!(stage.try_revert(&step, false).await.unwrap().outcome, RevertOutcome::NothingToDo);
    stage.end(&step).await;
    let step = stage.step(params).await;
    drop(stage.act(&step).await);
    assert_eq!(modes(&stage.host, "/data/t /data/t/a /data/t/b").await, "500 500 500");
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
    stage.host.sh("rm -rf /data/t").await;
}

#[tokio::test]
async fn the_deadline_alone_gives_the_modes_back() {
    let setup = Setup { hold: Duration::from_secs(1), margin: Some("1s"), ..Setup::default() };
    let Some(stage) = stage_with("any", "mkdir -p /data/d && touch /data/d/a", setup).await else { return };
    let step = stage.step(json!({"paths": ["/data/d/a"]})).await;
    drop(stage.act(&step).await);
    let is_back = async || {
        stage
            .host
            .is_true(&format!("[ $(stat -c %a /data/d/a) = 644 ] && [ -e {}/done ]", step.rope.dir))
            .await
    };
    wait_until("the deadline comes", SOON, is_back).await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
    stage.host.sh("rm -rf /data/d").await;
}

#[tokio::test]
async fn a_reboot_gives_the_modes_back_before_services_start() {
    let Some(host) = TestHost::get("any").await else { return };
    // What else runs there by chance is gone before it is compared.
    host.reboot_and_wait().await;
    host.sh("mkdir -p /ext/b && touch /ext/b/a && chmod 2640 /ext/b/a").await;
    let mut stage = Permissions::on(host, Setup::default()).await;
    let step = stage.step(json!({"paths": ["/ext/b/a"]})).await;
    drop(stage.act(&step).await);
    stage.host.reboot_and_wait().await;
    assert_eq!(modes(&stage.host, "/ext/b/a").await, "2640");
    stage.connect_again().await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
    stage.host.sh("rm -rf /ext/b").await;
}

#[tokio::test]
async fn a_host_without_room_for_an_undo_that_survives_a_reboot_is_refused() {
    let script = "mkdir -p /ext/full && touch /ext/full/a && mount -t tmpfs -o size=1m none /var/lib";
    let Some(stage) = stage_with("any", script, Setup::default()).await else { return };
    let refusal = stage.prepare(json!({"paths": ["/ext/full/a"]})).await.map(|steps| steps.len());
    stage.host.sh("umount /var/lib; systemctl daemon-reload; rm -rf /ext/full").await;
    let refusal = refusal.unwrap_err().chain();
    assert!(refusal.contains("/var/lib or /etc/systemd/system has 1024 KiB free"), "{refusal}");
}

#[tokio::test]
async fn ten_thousand_paths_come_back() {
    let script = "rm -rf /data/many; mkdir /data/many; cd /data/many; seq 1 10000 | xargs touch; chmod 4755 17; chmod 600 9*";
    let Some(stage) = stage_with("any", script, Setup::default()).await else { return };
    let step = stage.step(json!({"paths": ["/data/many"], "recursive": true, "max_paths": 10001})).await;
    println!("step: {} bytes", serde_json::to_string(&step).unwrap().len());
    let start = Instant::now();
    let (_session, effect) = stage.act(&step).await;
    println!("arm and inject: {:?}", start.elapsed());
    assert_eq!(effect.0["paths_changed"], json!(10001));
    let start = Instant::now();
    let reverted = stage.revert(&step).await;
    let took = start.elapsed();
    println!("undo: {took:?}");
    assert_eq!(reverted.effect.0["restored"], json!(10001));
    // The bench measures it; here a machine may be busy with all kinds of things.
    assert!(took < Duration::from_secs(60), "{took:?}");
    stage.end(&step).await;
    stage.host.sh("rm -rf /data/many").await;
}
