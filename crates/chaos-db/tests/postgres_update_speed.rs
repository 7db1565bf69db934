//! The undo of `db.update_load` beside one set-based UPDATE … FROM of the same rows on a twin of the table.

mod common;
mod update_common;

use std::time::{Duration, Instant};

use common::Scratch;
use serde_json::json;
use update_common::Load;

/// What a set-based UPDATE may be slower before something is wrong with the plan: a batch that reads the whole table
/// makes it ten times and more. The goal itself is measured by the benchmark, on a quiet machine.
const DISASTER: f64 = 4.0;

#[tokio::test]
async fn the_undo_of_many_rows_is_no_slower_class_than_one_statement() {
    if let Some(ratio) = measure(100_000, 300_000).await {
        assert!(ratio < DISASTER, "{ratio:.2} times one UPDATE");
    }
}

#[tokio::test]
#[ignore = "takes minutes; for a quiet machine"]
async fn the_undo_of_a_million_rows() {
    for _ in 0..3 {
        measure(1_000_000, 1_000_000).await;
    }
}

#[tokio::test]
#[ignore = "writes a third of a gibibyte"]
async fn few_rows_of_a_large_table_are_spread_over_it_and_come_back() {
    let world = "CREATE TABLE large (id int PRIMARY KEY, note text); \
        ALTER TABLE large ALTER note SET STORAGE PLAIN; \
        INSERT INTO large SELECT g, repeat('x', 800) FROM generate_series(1, 350000) g; ANALYZE large";
    let Some(scratch) = Scratch::new(world).await else { return };
    let load = Load::injected(&scratch, 1, json!({"rows": 500})).await;
    assert_eq!(load.effects[0].0["rows"], 500);
    let spread = "SELECT count(DISTINCT (id - 1) / 10000) FROM large WHERE length(note) < 800";
    assert_eq!(scratch.value(spread).await, "35");
    load.undo_all(&scratch).await;
    assert_eq!(scratch.value("SELECT count(*) FROM large WHERE length(note) < 800").await, "0");
    scratch.drop().await;
}

/// Returns how much longer the undo of `rows` of `all` rows takes than one statement.
async fn measure(rows: u64, all: u64) -> Option<f64> {
    let scratch = Scratch::new(&world(all)).await?;
    // No autovacuum in the middle of one of the two, and statistics as a living table has them.
    scratch.run("VACUUM ANALYZE t").await;
    scratch.run("VACUUM ANALYZE twin").await;
    let started = Instant::now();
    let load = Load::injected(&scratch, 1, json!({"rows": rows, "tables": ["t"]})).await;
    let injected = started.elapsed();
    assert_eq!(load.effects[0].0["rows"], rows);
    let helper = load.steps[0].helper.table("h");
    scratch.run(&format!("CREATE TABLE kept AS TABLE {helper}; ALTER TABLE kept ADD PRIMARY KEY (k1)")).await;
    timed(&scratch, "UPDATE twin SET name = n1, amount = n2, note = n3 FROM kept WHERE twin.id = k1").await;
    let one =
        timed(&scratch, "UPDATE twin SET name = o1, amount = o2, note = o3 FROM kept WHERE twin.id = k1")
            .await;
    scratch.run("CHECKPOINT").await;
    let started = Instant::now();
    let reverted = load.revert(&scratch).await;
    let undone = started.elapsed();
    assert!(reverted.is_ok_and(|all| all[0].conflicts_total == 0));
    load.disarm(&scratch).await;
    let differing = "SELECT count(*) FROM t JOIN twin USING (id) WHERE t.* IS DISTINCT FROM twin.*";
    assert_eq!(scratch.value(differing).await, "0");
    let ratio = undone.as_secs_f64() / one.as_secs_f64();
    println!("{rows} of {all}: inject {injected:?}, one UPDATE {one:?}, undo {undone:?}, ratio {ratio:.2}");
    scratch.drop().await;
    Some(ratio)
}

fn world(all: u64) -> String {
    format!(
        "CREATE TABLE t (id bigint PRIMARY KEY, tenant int NOT NULL, name text NOT NULL, amount numeric(12,2), \
             at timestamptz CHECK (at > '2000-01-01'), note varchar(40)) WITH (autovacuum_enabled = off); \
         CREATE INDEX ON t (tenant); \
         INSERT INTO t SELECT g, g % 100, 'name ' || md5(g::text), g % 100000 / 100.0, now(), 'note ' || g \
             FROM generate_series(1, {all}) g; \
         CREATE TABLE twin (LIKE t INCLUDING ALL) WITH (autovacuum_enabled = off); INSERT INTO twin SELECT * FROM t"
    )
}

async fn timed(scratch: &Scratch, sql: &str) -> Duration {
    scratch.run("CHECKPOINT").await;
    let started = Instant::now();
    scratch.run(sql).await;
    started.elapsed()
}
