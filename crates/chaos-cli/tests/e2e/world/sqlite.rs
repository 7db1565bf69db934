//! A scratch SQLite file with the tables of a shop.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

/// A database file. It is removed with this value.
pub struct SqliteShop {
    folder: TempDir,
}

impl SqliteShop {
    /// Makes a file with `rows` users and as many orders.
    pub fn create(rows: u32) -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        shop.connection()
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, nickname TEXT, balance REAL);
                 CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id),
                                      status TEXT NOT NULL CHECK (status IN ('new', 'paid')), note TEXT);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
                 INSERT INTO users SELECT i, 'user' || i || '@example.org',
                                          CASE WHEN i % 3 = 0 THEN NULL ELSE 'O''N' || i END, i * 0.5 FROM n;
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
                 INSERT INTO orders SELECT i, i, CASE WHEN i % 2 THEN 'new' ELSE 'paid' END, '' FROM n;"
            ))
            .unwrap();
        shop
    }

    /// Returns where the file is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("shop.db")
    }

    /// Returns the folder it is in; nothing but the database belongs there.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Opens it.
    pub fn connection(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(super::PATIENCE).unwrap();
        connection
    }

    /// Returns one line for each thing that must be the same before and after: every row, every definition.
    pub fn checksum(&self) -> Vec<String> {
        let connection = self.connection();
        let mut lines = Vec::new();
        for query in [
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1",
            "SELECT quote(id) || quote(email) || quote(nickname) || quote(balance) FROM users ORDER BY id",
            "SELECT quote(id) || quote(user_id) || quote(status) || quote(note) FROM orders ORDER BY id",
            "SELECT 'user_version ' || user_version FROM pragma_user_version",
        ] {
            let mut statement = connection.prepare(query).unwrap();
            lines.extend(statement.query_map((), |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
        }
        lines
    }
}
