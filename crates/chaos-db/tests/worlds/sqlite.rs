//! Shops in real SQLite files.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chaos_db::DbTarget;
use chaos_db::config::{DbConfig, DbType};
use chaos_db::sqlite::SqliteTarget;
use chaos_testkit::World;

use crate::shop;

/// The pragmas that live in the file.
const PRAGMAS: [&str; 7] = [
    "application_id",
    "user_version",
    "journal_mode",
    "auto_vacuum",
    "page_size",
    "encoding",
    "secure_delete",
];

/// A file with a shop in it.
pub struct Shop {
    journal_mode: &'static str,
    /// The files that are as they were made. Most of the time of a test would go into making new ones.
    idle: Arc<Mutex<Vec<shop::World>>>,
    open: Option<shop::World>,
}

impl Shop {
    /// Writes changes as this journal mode does.
    pub fn in_mode(journal_mode: &'static str) -> Self {
        Self { journal_mode, idle: Arc::default(), open: None }
    }

    /// Returns how another process reaches it.
    pub fn config(&self) -> DbConfig {
        let connection_url = self.open().path().to_str().unwrap().to_owned();
        DbConfig { connection_url, db_type: DbType::Sqlite, schemas: Vec::new() }
    }

    async fn make(&self) -> shop::World {
        let world = shop::World::shop().await;
        let set = format!("PRAGMA journal_mode = {}", self.journal_mode);
        let mode: String = world.app().query_row(&set, [], |row| row.get(0)).unwrap();
        assert_eq!(mode, self.journal_mode);
        world.sql("PRAGMA user_version = 7");
        world
    }

    fn idle(&self) -> MutexGuard<'_, Vec<shop::World>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> &shop::World {
        self.open.as_ref().expect("it is fresh")
    }
}

impl World for Shop {
    type Target = DbTarget;

    async fn fresh(&self) -> Self {
        let idle = self.idle().pop();
        let world = match idle {
            Some(world) => world,
            None => self.make().await,
        };
        Self { journal_mode: self.journal_mode, idle: self.idle.clone(), open: Some(world) }
    }

    async fn connect(&self) -> DbTarget {
        DbTarget::Sqlite(SqliteTarget::connect(&self.config()).await.unwrap())
    }

    async fn snapshot(&self) -> String {
        let world = self.open();
        let mut lines = world.dump();
        lines.extend(PRAGMAS.map(|name| format!("{name} {}", world.value(&format!("PRAGMA {name}")))));
        // A lock that stays would refuse this; an application that has the file open is not one.
        world.sql("BEGIN EXCLUSIVE; ROLLBACK");
        let folder = world.path().parent().unwrap().read_dir().unwrap();
        let mut files: Vec<_> =
            folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        lines.extend(files.iter().map(|file| format!("file {file}")));
        lines.join("\n")
    }

    async fn remove(mut self) {
        // Only a world that passed its test comes here.
        let world = self.open.take();
        self.idle().extend(world);
    }
}
