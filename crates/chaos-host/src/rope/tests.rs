//! The lock of hosts without `flock`.

use std::path::Path;
use std::sync::Arc;

use crate::transport::local::Local;
use crate::{Become, Host, Limits, Output, Script};

const WITHOUT_FLOCK: &str = concat!(
    include_str!("lock.sh"),
    "have() { [ \"$1\" != flock ] && command -v \"$1\" >/dev/null 2>&1; }\n",
    "lock 5 || { tell refused \"$?\"; exit 0; }\n",
    "mkdir \"$rope_dir/in\" || tell clash 1\nnap\nrmdir \"$rope_dir/in\"\ntell locked 1\n",
);

async fn lock(rope_dir: &Path) -> Output {
    let script = Script::new(WITHOUT_FLOCK).set("rope_dir", rope_dir.to_str().unwrap());
    Host::new(Arc::new(Local), Become::Nobody).must("lock", &script, Limits::default()).await.unwrap()
}

#[tokio::test]
async fn a_lock_that_cannot_be_made_is_no_lock_that_somebody_has() {
    let scratch = tempfile::tempdir().unwrap();
    let output = lock(&scratch.path().join("none")).await;
    assert_eq!(output.told("refused").collect::<Vec<_>>(), ["2"]);
}

#[tokio::test]
async fn the_lock_of_a_dead_one_is_taken_by_one_after_the_other() {
    let scratch = tempfile::tempdir().unwrap();
    // No process has this number.
    std::os::unix::fs::symlink("4194305 1", scratch.path().join("lock")).unwrap();
    let outputs = futures::future::join_all((0..12).map(|_| lock(scratch.path()))).await;
    for output in &outputs {
        assert_eq!((output.told("locked").count(), output.told("clash").count()), (1, 0), "{output:?}");
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_lock_of_a_living_one_is_waited_for_and_not_for_ever() {
    let scratch = tempfile::tempdir().unwrap();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let start = stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap();
    let owner = format!("{} {start}", std::process::id());
    std::os::unix::fs::symlink(owner, scratch.path().join("lock")).unwrap();
    assert_eq!(lock(scratch.path()).await.told("refused").collect::<Vec<_>>(), ["1"]);
}
