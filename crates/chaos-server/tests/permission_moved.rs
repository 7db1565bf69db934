//! `server.permission_change` where somebody moves the files while they are changed: a file keeps its inode, and gets its bits back
//! wherever it is; what only has the number of a file that was removed is not touched.
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

const SOON: Duration = Duration::from_secs(60);
/// Modes and names of everything below the two places, each on a line.
const LISTED: &str = "cd / && find ext/m data/m -printf '%m %y %P\\n' | tr '\\n' '|'";
/// A directory with files of three modes on a disk, and one in memory.
const MADE: &str = "chattr -R -i /ext/m 2>/dev/null; rm -rf /ext/m /data/m; mkdir -p /ext/m/tree/sub /ext/m/to /data/m; cd /ext/m
    touch stays renamed log edited swapped 'two
lines' tree/a tree/sub/b /data/m/c; chmod 640 renamed tree/a; chmod 2755 tree; chmod 600 tree/sub/b /data/m/c";
const PATHS: [&str; 11] = [
    "/ext/m/stays",
    "/ext/m/two\nlines",
    "/ext/m/renamed",
    "/ext/m/log",
    "/ext/m/edited",
    "/ext/m/swapped",
    "/ext/m/tree",
    "/ext/m/tree/a",
    "/ext/m/tree/sub",
    "/ext/m/tree/sub/b",
    "/data/m/c",
];
/// Moves all of them but the first: to an odd name, aside for a new file with our mode or another one, behind a link, with their
/// directory, and one out of it.
const MOVED: &str = "cd /ext/m; mv 'two
lines' one; mv renamed \"to/-n 'x'
;\\$(y)\"; mv log log.1; echo new >log; chmod 000 log; mv edited edited~; echo new >edited; mv swapped to/real; ln -s to/real swapped
    mv tree to/forest; mv to/forest/sub/b to/b; mv /data/m/c /data/m/d";

/// What is said of the new file that took over our mode.
const NEW_LOG: &str = "permissions of `/ext/m/log` (mode 0644, owner 0:0, inode N before): it was moved and has its mode back there; \
    another file has its name now, and our mode; left as it is";

/// Takes a host and makes the files.
async fn stage(name: &str, setup: Setup) -> Option<Permissions> {
    let host = TestHost::get(name).await?;
    host.sh(MADE).await;
    Some(Permissions::on(host, setup).await)
}

/// Sees that everything that [`MOVED`] moved has its own mode, and that the new log has none.
async fn assert_back(host: &TestHost) {
    let is = host
        .sh("cd /ext/m; stat -c '%a' stays one to/-n* log.1 log edited~ edited to/real to/forest to/forest/a to/forest/sub to/b /data/m/d")
        .await;
    let is: Vec<_> = is.split_whitespace().collect();
    assert_eq!(
        is,
        ["644", "644", "640", "644", "0", "644", "644", "644", "2755", "640", "755", "600", "600"]
    );
}

async fn clean(stage: &Permissions) {
    stage.host.sh("chattr -R -i /ext/m 2>/dev/null; rm -rf /ext/m /data/m").await;
}

#[tokio::test]
async fn moved_files_and_trees_get_their_bits_back_where_they_are() {
    let Some(stage) = stage("any", Setup::default()).await else { return };
    let step = stage.step(json!({"paths": PATHS})).await;
    assert!(step.what.born.is_some());
    drop(stage.act(&step).await);
    stage.host.sh(MOVED).await;
    let reverted = stage.revert(&step).await;
    assert_eq!(told(&reverted), [NEW_LOG]);
    assert_eq!(reverted.effect.0["restored"], json!(PATHS.len()));
    assert_eq!(
        reverted.notes,
        ["10 of the files had been moved meanwhile; the mode of each is back where it is now"]
    );
    assert_back(&stage.host).await;
    stage.disarm(&step).await;
    clean(&stage).await;
}

#[tokio::test]
async fn the_deadline_alone_finds_them() {
    let setup = Setup { hold: Duration::from_secs(5), margin: Some("1s"), ..Setup::default() };
    let Some(stage) = stage("any", setup).await else { return };
    let step = stage.step(json!({"paths": PATHS})).await;
    drop(stage.act(&step).await);
    stage.host.sh(MOVED).await;
    let is_done = async || stage.host.is_true(&format!("[ -e {}/done ]", step.rope.dir)).await;
    wait_until("the deadline comes", SOON, is_done).await;
    assert_back(&stage.host).await;
    let reverted = stage.revert(&step).await;
    assert_eq!((reverted.outcome, told(&reverted)), (RevertOutcome::AlreadyUndone, vec![NEW_LOG.to_owned()]));
    // It is looked at once more when somebody has mended it.
    stage.host.sh("chmod 644 /ext/m/log").await;
    assert_eq!(told(&stage.revert(&step).await), Vec::<String>::new());
    stage.disarm(&step).await;
    clean(&stage).await;
}

#[tokio::test]
async fn the_undo_at_boot_finds_them() {
    let Some(mut stage) = stage("any", Setup::default()).await else { return };
    // What is in memory would be gone.
    let step = stage.step(json!({"paths": PATHS[..10]})).await;
    drop(stage.act(&step).await);
    stage.host.sh(MOVED).await;
    stage.host.reboot_and_wait().await;
    stage.host.sh("mkdir -p /data/m; touch /data/m/d; chmod 600 /data/m/d").await;
    assert_back(&stage.host).await;
    stage.connect_again().await;
    let reverted = stage.revert(&step).await;
    assert_eq!((reverted.outcome, told(&reverted)), (RevertOutcome::AlreadyUndone, vec![NEW_LOG.to_owned()]));
    stage.disarm(&step).await;
    clean(&stage).await;
}

#[tokio::test]
async fn after_a_reboot_an_inode_says_nothing_where_several_mounts_are_meant() {
    let Some(mut stage) = stage("any", Setup::default()).await else { return };
    stage.host.sh("touch /etc/chaos-moved").await;
    let step = stage.step(json!({"paths": ["/ext/m/renamed", "/etc/chaos-moved"]})).await;
    drop(stage.act(&step).await);
    stage.host.sh("mv /ext/m/renamed /ext/m/now").await;
    stage.host.reboot_and_wait().await;
    assert_eq!(stage.host.sh("stat -c %a /ext/m/now /etc/chaos-moved").await.trim(), "0\n644");
    stage.connect_again().await;
    let reverted = stage.revert(&step).await;
    assert_eq!(
        told(&reverted),
        [
            "permissions of `/ext/m/renamed` (mode 0640, owner 0:0, inode N before): it is not there any more; left as it is. \
            If the file was moved, it has our mode there: find it by its inode"
        ]
    );
    stage.disarm(&step).await;
    stage.host.sh("rm /etc/chaos-moved").await;
    clean(&stage).await;
}

#[tokio::test]
async fn a_new_file_with_the_inode_of_a_removed_one_is_not_touched() {
    for place in ["/ext/m", "/data/m"] {
        let Some(stage) = stage("any", Setup::default()).await else { return };
        let files = format!("cd {place}; for n in 1 2 3 4 5 6 7 8 9; do echo x >old$n; done");
        stage.host.sh(&files).await;
        let paths: Vec<_> = (1..10).map(|number| format!("{place}/old{number}")).collect();
        let step = stage.step(json!({"paths": paths, "mode": "444"})).await;
        drop(stage.act(&step).await);
        let inodes = "stat -c %i old* | sort";
        let reused = stage
            .host
            .sh(&format!(
                "cd {place}; {inodes} >/tmp/inodes; rm old*
                for n in $(seq 1000); do echo y >new$n; chmod 444 new$n; done; stat -c %i new* | sort | comm -12 - /tmp/inodes | wc -l"
            ))
            .await;
        let before = stage.host.sh(LISTED).await;
        let reverted = stage.revert(&step).await;
        assert_eq!((reverted.conflicts_total, &reverted.effect.0["restored"]), (9, &json!(0)));
        let what = &told(&reverted)[0];
        assert!(
            what.ends_with("it is not there any more; left as it is. It was looked for where its file system is mounted, and not found"),
            "{what}"
        );
        assert_eq!(stage.host.sh(LISTED).await, before);
        // Memory gives every file a number of its own; a disk that does not reuse any shows nothing here.
        assert!(place == "/data/m" || reused.trim() != "0", "no inode was reused");
        stage.disarm(&step).await;
        clean(&stage).await;
    }
}

#[tokio::test]
async fn a_file_made_anew_in_the_place_and_inode_of_ours_keeps_what_it_was_made_with() {
    for user in ["root", "chaos"] {
        let Some(host) = TestHost::get("any").await else { return };
        host.sh("rm -rf /ext/m; mkdir /ext/m; cd /ext/m; cp /bin/true a; cp /bin/true k; chmod 4755 a k")
            .await;
        let stage = Permissions::on(host, Setup { user, ..Setup::default() }).await;
        let step = stage.step(json!({"paths": ["/ext/m/a", "/ext/m/k"], "mode": "755"})).await;
        let (session, _) = stage.act(&step).await;
        let inode = "stat -c %i /ext/m/a";
        let before = stage.host.sh(inode).await;
        stage.host.sh("cd /ext/m; rm a; cp /bin/ls a; chmod 755 a").await;
        assert_eq!(
            stage.host.sh(inode).await,
            before,
            "the inode was not used again, so that nothing is shown here"
        );
        assert_eq!(stage.finish(session).await.unwrap().unwrap().0["paths_still_changed"], json!(1));
        let reverted = stage.revert(&step).await;
        assert_eq!(
            told(&reverted),
            [
                "permissions of `/ext/m/a` (mode 4755, owner 0:0, inode N before): another file has its name now, and our mode; \
                left as it is. It was looked for where its file system is mounted, and not found"
            ]
        );
        assert_eq!(stage.host.sh("cd /ext/m; stat -c %a a k").await.trim(), "755\n4755");
        // Whoever gives it another mode has seen to it.
        stage.host.sh("chmod 750 /ext/m/a").await;
        assert_eq!(told(&stage.revert(&step).await), Vec::<String>::new());
        stage.disarm(&step).await;
        clean(&stage).await;
    }
}

#[tokio::test]
async fn a_file_made_anew_before_the_inject_is_not_changed() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("rm -rf /ext/m; mkdir /ext/m; cd /ext/m; echo x >a").await;
    let stage = Permissions::on(host, Setup::default()).await;
    let step = stage.step(json!({"paths": ["/ext/m/a"], "mode": "600"})).await;
    stage.host.sh("cd /ext/m; i=$(stat -c %i a); rm a; echo y >a; [ $(stat -c %i a) = $i ]").await;
    let (session, effect) = stage.try_act(&step).await;
    let error = effect.unwrap_err().chain();
    assert!(error.contains("`/ext/m/a` is not as it was planned: another file has its name now"), "{error}");
    drop(session);
    assert_eq!(stage.try_revert(&step, false).await.unwrap().outcome, RevertOutcome::NothingToDo);
    assert_eq!(stage.host.sh("stat -c %a /ext/m/a").await.trim(), "644");
    stage.disarm(&step).await;
    clean(&stage).await;
}

#[tokio::test]
async fn a_fault_whose_only_file_was_moved_is_no_failure() {
    let Some(stage) = stage("any", Setup::default()).await else { return };
    let step = stage.step(json!({"paths": ["/ext/m/log"]})).await;
    let (session, _) = stage.act(&step).await;
    stage.host.sh("cd /ext/m; mv log log.1; echo new >log; chmod 640 log").await;
    let measured = stage.finish(session).await.unwrap().unwrap().0;
    assert_eq!((&measured["paths_still_changed"], &measured["paths_moved_or_gone"]), (&json!(0), &json!(1)));
    let reverted = stage.revert(&step).await;
    assert_eq!((reverted.conflicts_total, &reverted.effect.0["restored"]), (0, &json!(1)));
    assert_eq!(stage.host.sh("cd /ext/m; stat -c %a log.1 log").await.trim(), "644\n640");
    stage.disarm(&step).await;
    clean(&stage).await;
}

#[tokio::test]
async fn a_file_that_two_mounts_show_is_one() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh(
        "rm -rf /ext/m; mkdir -p /ext/m/d /ext/m/bound; touch /ext/m/d/a; mount --bind /ext/m/d /ext/m/bound",
    )
    .await;
    let stage = Permissions::on(host, Setup::default()).await;
    let step = stage.step(json!({"paths": ["/ext/m/d/a", "/ext/m/bound/a"]})).await;
    assert_eq!(step.what.files.len(), 1);
    drop(stage.act(&step).await);
    stage.host.sh("mv /ext/m/d/a /ext/m/d/b").await;
    let reverted = stage.revert(&step).await;
    assert_eq!((told(&reverted), &reverted.effect.0["restored"]), (Vec::new(), &json!(1)));
    stage.disarm(&step).await;
    // A part of a file system is not all of it.
    let step = stage.step(json!({"paths": ["/ext/m/bound/b"]})).await;
    drop(stage.act(&step).await);
    stage.host.sh("mv /ext/m/d/b /ext/m/away; echo new >/ext/m/d/b; chmod 640 /ext/m/d/b").await;
    for _ in 0..2 {
        let told = told(&stage.revert(&step).await);
        assert!(told[0].contains("If the file was moved, it has our mode there"), "{told:?}");
    }
    stage.disarm(&step).await;
    stage.host.sh("umount /ext/m/bound; rm -rf /ext/m").await;
}

#[tokio::test]
async fn what_was_moved_and_changed_too_or_copied_away_is_a_conflict_that_says_so() {
    let Some(stage) = stage("any", Setup::default()).await else { return };
    let step = stage.step(json!({"paths": PATHS})).await;
    drop(stage.act(&step).await);
    stage
        .host
        .sh("cd /ext/m; mv 'two
lines' one; mv renamed to/mode; chmod 604 to/mode; mv log to/owner; chown 33 to/owner; mv swapped to/fixed; chattr +i to/fixed
            mv tree/sub/b /data/m/away; mv tree/a to/mended; chmod 640 to/mended; mv /data/m/c /ext/m/c")
        .await;
    let reverted = stage.revert(&step).await;
    let of = |path: &str, mode: &str, why: &str| {
        format!("permissions of `{path}` (mode {mode}, owner 0:0, inode N before): {why}")
    };
    let nowhere = "it is not there any more; left as it is. It was looked for where its file system is mounted, and not found";
    let mut expected = [
        of("/data/m/c", "0600", nowhere),
        of("/ext/m/tree/sub/b", "0600", nowhere),
        of("/ext/m/renamed", "0640", "it was moved, and its mode is 0604 now; left as it is"),
        of("/ext/m/log", "0644", "it was moved, and its owner is 33:0 now; left as it is"),
        of("/ext/m/swapped", "0644", "it was moved, and it is immutable or append-only now; left as it is"),
    ];
    expected.sort();
    assert_eq!(told(&reverted), expected);
    assert_eq!(reverted.effect.0["restored"], json!(5));
    assert_eq!(
        stage.host.sh("cd /ext/m/to; stat -c %a mode owner fixed mended | tr '\\n' ' '").await.trim(),
        "604 0 0 640"
    );
    // Mended by hand, nothing is left to tell of them. What was back already is nobody's business any more.
    stage
        .host
        .sh("cd /ext/m/to; chmod 640 mode; chown 0 owner; chattr -i fixed; rm mended ../edited; chmod 0 ../stays")
        .await;
    let again = stage.revert(&step).await;
    assert_eq!(again.conflicts_total, 2, "{:?}", told(&again));
    assert_eq!(
        stage.host.sh("cd /ext/m/to; stat -c %a mode owner fixed | tr '\\n' ' '").await.trim(),
        "640 644 644"
    );
    stage.disarm(&step).await;
    clean(&stage).await;
}

#[tokio::test]
async fn where_another_file_system_is_mounted_over_ours_nothing_is_said_to_be_gone() {
    let script = "while umount /ext/over 2>/dev/null; do :; done; mkdir -p /ext/over; mount -t tmpfs -o size=1m none /ext/over; touch /ext/over/a";
    let Some(host) = TestHost::get("any").await else { return };
    host.sh(script).await;
    let stage = Permissions::on(host, Setup::default()).await;
    let step = stage.step(json!({"paths": ["/ext/over/a"]})).await;
    drop(stage.act(&step).await);
    stage.host.sh("mount -t tmpfs -o size=1m none /ext/over").await;
    let reverted = stage.revert(&step).await;
    assert_eq!(
        told(&reverted),
        [
            "permissions of `/ext/over/a` (mode 0644, owner 0:0, inode N before): it is not there any more; left as it is. \
            If the file was moved, it has our mode there: find it by its inode"
        ]
    );
    stage.host.sh("umount /ext/over").await;
    let reverted = stage.revert(&step).await;
    assert_eq!((reverted.conflicts_total, &reverted.effect.0["restored"]), (0, &json!(1)));
    stage.end(&step).await;
    stage.host.sh("umount /ext/over; rmdir /ext/over").await;
}

#[tokio::test]
async fn where_nothing_can_search_the_inode_is_told() {
    // It has BusyBox alone.
    let Some(stage) = stage("th3", Setup::default()).await else { return };
    let step = stage.step(json!({"paths": ["/ext/m/stays", "/ext/m/renamed"]})).await;
    drop(stage.act(&step).await);
    stage
        .host
        .sh("cd /ext/m; mv 'two
lines' one; mv renamed now")
        .await;
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.effect.0["restored"], json!(1));
    assert_eq!(
        told(&reverted),
        [
            "permissions of `/ext/m/renamed` (mode 0640, owner 0:0, inode N before): it is not there any more; left as it is. \
            If the file was moved, it has our mode there: find it by its inode"
        ]
    );
    stage.disarm(&step).await;
    clean(&stage).await;
}

#[tokio::test]
async fn a_moved_tree_of_ten_thousand_files_comes_back() {
    let Some(stage) = stage("any", Setup::default()).await else { return };
    stage
        .host
        .sh("mkdir /data/m/many; cd /data/m/many; seq 1 10000 | xargs touch; chmod 4755 17; chmod 600 9*")
        .await;
    let listed = "cd /data/m; find . -type f -printf '%m %f\\n' | sort | sha256sum";
    let before = stage.host.sh(listed).await;
    let step = stage.step(json!({"paths": ["/data/m/many"], "recursive": true, "max_paths": 10001})).await;
    drop(stage.act(&step).await);
    stage.host.sh("mv /data/m/many /data/m/elsewhere").await;
    let start = std::time::Instant::now();
    let reverted = stage.revert(&step).await;
    println!("undo: {:?}", start.elapsed());
    assert_eq!((reverted.conflicts_total, &reverted.effect.0["restored"]), (0, &json!(10001)));
    assert_eq!(stage.host.sh(listed).await, before);
    stage.disarm(&step).await;
    clean(&stage).await;
}
