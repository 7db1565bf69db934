//! Opening files, and what is refused.

use chaos_core::{DiscoverFilter, FaultError, Target};

use crate::world::{World, connect};

#[tokio::test]
async fn a_file_is_known_by_device_and_inode_also_after_a_vacuum() {
    let world = World::shop().await;
    let before = world.target.identity().clone();
    world.sql("VACUUM");
    let url = format!("sqlite://{}", world.path().display());
    let after = connect(&url).await.unwrap();
    assert_eq!(after.identity().fingerprint, before.fingerprint);
    assert!(before.fingerprint.starts_with("sqlite:"), "{}", before.fingerprint);
    assert!(before.product.starts_with("SQLite 3."), "{}", before.product);
    assert_eq!(before.label, url);
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("empty.db"), "").unwrap();
    std::fs::write(path("text.db"), "this is no database, but it is longer than a header\n".repeat(9))
        .unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (name, why) in [
        ("missing.db", "No such file"),
        ("empty.db", "it is empty"),
        ("text.db", "not a database"),
        ("folder", "it is a directory"),
        ("pipe", "not a regular file"),
    ] {
        let error = connect(path(name).to_str().unwrap()).await.map(drop).unwrap_err();
        assert!(error.chain().contains(why), "{name}: {}", error.chain());
    }
    assert!(!path("missing.db").exists());
    let error = connect(":memory:").await.map(drop).unwrap_err();
    assert!(matches!(error, FaultError::Params(_)), "{error:?}");
}

#[tokio::test]
async fn a_file_that_was_replaced_is_another_target() {
    let world = World::shop().await;
    let copy = world.path().with_extension("copy");
    std::fs::copy(world.path(), &copy).unwrap();
    std::fs::rename(&copy, world.path()).unwrap();
    let error = world.target.discover(&DiscoverFilter::default()).await.unwrap_err();
    assert!(matches!(error, FaultError::WrongTarget(_)), "{error:?}");
}

#[tokio::test]
async fn a_discovery_finds_every_kind_of_table() {
    let world = World::shop().await;
    let found = world.target.discover(&DiscoverFilter::default()).await.unwrap();
    let tables = found.data["tables"].as_array().unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["odd \"name", "orders", "strict_one", "users"]);
    assert_eq!(tables[0]["without_rowid"], true);
    assert_eq!(tables[0]["primary_key"], serde_json::json!(["select", "a b"]));
    assert_eq!(tables[1]["foreign_keys"][0]["parent_columns"][0], "id");
    assert_eq!(tables[1]["columns"][4]["generated"], true);
    assert_eq!(tables[2]["strict"], true);
    assert_eq!(tables[3]["row_estimate"], 200);
    assert_eq!(tables[3]["referenced_by"][0]["child_table"], "orders");
    assert!(tables[3]["bytes"].as_u64().unwrap() > 0);
}
