//! Many rows: time grows with their number and not faster.

use std::time::{Duration, Instant};

use chaos_db::faults::insert_load::sqlite::InsertLoadSqlite;
use chaos_db::faults::update_load::sqlite::UpdateLoadSqlite;
use serde_json::json;

use crate::world::{Use, World};

/// A debug build on a busy machine needs a fraction of this; a search through a table for each row needs far more.
const LIMIT: Duration = Duration::from_secs(60);

/// Children without an index on their foreign key, so that a look-up for each parent would read all of them.
const LARGE: &str = "
    CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT UNIQUE NOT NULL COLLATE NOCASE, name TEXT);
    CREATE TABLE orders (id TEXT PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users, note TEXT);
    INSERT INTO users SELECT value, 'u' || value, 'n' FROM generate_series(1, 20000);
    INSERT INTO orders SELECT 'o' || value, value, 'n' FROM generate_series(1, 20000);";

#[tokio::test]
async fn twenty_thousand_rows_are_inserted_and_undone_in_time() {
    let world = World::new(LARGE).await;
    let before = world.dump();
    let used = Use::prepare(InsertLoadSqlite, &world, 1, json!({"rows_per_table": 20_000})).await.unwrap();
    let started = Instant::now();
    used.inject(&world).await.unwrap();
    let injected = started.elapsed();
    used.revert(&world).await;
    println!("insert {injected:?}, undo {:?}", started.elapsed() - injected);
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
    assert_eq!(world.dump(), before);
}

#[tokio::test]
async fn twenty_thousand_rows_are_changed_and_undone_in_time_also_beside_another_load() {
    let world = World::new(LARGE).await;
    let before = world.dump();
    let one = Use::prepare(UpdateLoadSqlite, &world, 1, json!({"rows": 10_000})).await.unwrap();
    let two = Use::prepare(UpdateLoadSqlite, &world, 2, json!({"rows": 10_000})).await.unwrap();
    let started = Instant::now();
    one.inject(&world).await.unwrap();
    two.inject(&world).await.unwrap();
    let injected = started.elapsed();
    one.revert(&world).await;
    two.revert(&world).await;
    println!("update {injected:?}, undo {:?}", started.elapsed() - injected);
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
    assert_eq!(world.dump(), before);
}
