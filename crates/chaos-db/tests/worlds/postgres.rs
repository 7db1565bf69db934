//! Shops in real PostgreSQL databases.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use chaos_db::DbTarget;
use chaos_db::config::DbConfig;
use chaos_db::postgres::PgTarget;
use chaos_testkit::World;

use super::observer::Observer;
use crate::common::{Scratch, config, server, url_of};

/// Parents and children, a composite key, an enum, documents, generated columns, and names that need quotes.
const SHOP: &str = r#"
    CREATE TYPE mood AS ENUM ('calm', 'cross', 'it''s "odd"');
    CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE,
        name varchar(40), mood mood, about jsonb, score numeric(6, 2) CHECK (score >= 0),
        upper_name text GENERATED ALWAYS AS (upper(name)) STORED);
    CREATE TABLE "Order Lines" ("order" int, "line ""no""" int, user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
        note text, paid bool, tags text[], at timestamptz, PRIMARY KEY ("order", "line ""no"""));
    CREATE INDEX ON "Order Lines" (user_id);
    CREATE SCHEMA "Odd ""one";
    CREATE TABLE "Odd ""one"."select" ("from" uuid PRIMARY KEY, "Where" inet, "a b" int4range);
    INSERT INTO users (email, name, mood, about, score)
        SELECT 'u' || g || '@example.org', CASE g % 5 WHEN 0 THEN NULL ELSE 'O''Brien "' || g || '"' END,
            (enum_range(NULL::mood))[g % 3 + 1], jsonb_build_object('n', g, 'q', 'it''s'), g / 4.0
        FROM generate_series(1, 200) g;
    INSERT INTO "Order Lines"
        SELECT g % 50, g, g % 200 + 1, CASE g % 4 WHEN 0 THEN NULL ELSE 'x' || chr(10) || g END, g % 2 = 0,
            ARRAY['a', NULL, 'b,"' || g], '2024-01-01 00:00:00+00'::timestamptz + g * interval '1 minute'
        FROM generate_series(1, 400) g;
    INSERT INTO "Odd ""one"."select"
        SELECT md5(g::text)::uuid, ('10.0.0.' || g)::inet, int4range(g, g + 5) FROM generate_series(1, 100) g;
"#;

/// The databases that no test uses at the moment. Making one takes the server a third of a second and dropping one more
/// than that, so a world that is left as it was is used again.
static IDLE: Mutex<Weak<Idle>> = Mutex::new(Weak::new());

/// A database with a shop in it.
pub struct Shop {
    idle: Arc<Idle>,
    open: Option<Open>,
}

/// What a world in use has.
struct Open {
    scratch: Scratch,
    observer: Observer,
}

impl Shop {
    pub fn new() -> Self {
        let mut shared = lock(&IDLE);
        let idle = shared.upgrade().unwrap_or_default();
        *shared = Arc::downgrade(&idle);
        Self { idle, open: None }
    }

    /// Returns how another process reaches it.
    pub fn config(&self) -> DbConfig {
        config(url_of(&self.open().scratch.name))
    }

    /// Does something to it, as an application would.
    pub async fn run(&self, sql: &str) {
        self.open().scratch.run(sql).await;
    }

    /// Looks without waiting for the sessions of others to end.
    pub async fn glimpse(&self) -> String {
        self.open().observer.look_now().await
    }

    fn open(&self) -> &Open {
        self.open.as_ref().expect("it is fresh")
    }
}

impl World for Shop {
    type Target = DbTarget;

    async fn is_there(&self) -> bool {
        server().await.is_some()
    }

    async fn fresh(&self) -> Self {
        let idle = lock(&self.idle.0).pop();
        let scratch = match idle {
            Some(scratch) => scratch,
            None => Scratch::new(SHOP).await.expect("the server is there"),
        };
        let observer = Observer::on(&scratch.target).await;
        Self { idle: self.idle.clone(), open: Some(Open { scratch, observer }) }
    }

    async fn connect(&self) -> DbTarget {
        DbTarget::Postgres(PgTarget::connect(&self.config()).await.unwrap())
    }

    async fn snapshot(&self) -> String {
        self.open().observer.look().await
    }

    async fn remove(mut self) {
        // Only a world that passed its test comes here. What a failed one leaves is dropped by the next test process.
        if let Some(Open { scratch, observer }) = self.open.take() {
            observer.close().await;
            lock(&self.idle.0).push(scratch);
        }
    }
}

#[derive(Default)]
struct Idle(Mutex<Vec<Scratch>>);

impl Drop for Idle {
    fn drop(&mut self) {
        let idle = std::mem::take(&mut *lock(&self.0));
        let dropping = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                for scratch in idle {
                    scratch.drop().await;
                }
            });
        });
        dropping.join().unwrap();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
