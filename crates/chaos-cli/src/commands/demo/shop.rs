//! The scratch shop of the demo, and what somebody sees who looks at it.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde::{Serialize, Serializer};

use crate::codes::Code;
use crate::error::CliError;

/// How long a look waits while a fault writes.
const BUSY_MAX: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE customers (
        id INTEGER PRIMARY KEY,
        email VARCHAR(60) NOT NULL UNIQUE,
        name TEXT NOT NULL,
        city TEXT,
        joined DATE NOT NULL
    );
    CREATE TABLE products (
        id INTEGER PRIMARY KEY,
        sku VARCHAR(12) NOT NULL UNIQUE,
        title TEXT NOT NULL,
        price NUMERIC NOT NULL CHECK (price > 0)
    );
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY,
        customer_id INTEGER NOT NULL REFERENCES customers (id),
        product_id INTEGER NOT NULL REFERENCES products (id),
        quantity INTEGER NOT NULL,
        note TEXT
    );
    CREATE INDEX orders_customer ON orders (customer_id);";

/// Names with what undoing gets wrong elsewhere: quotes, an SQL fragment, nothing at all.
const ROWS: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    INSERT INTO customers SELECT i, 'customer' || i || '@example.org',
        CASE i % 5 WHEN 0 THEN 'O''Brien ' || i WHEN 1 THEN ''' WHERE 1=1 --' ELSE 'Customer ' || i END,
        CASE i % 3 WHEN 0 THEN NULL ELSE 'City ' || (i % 40) END, date('2020-01-01', '+' || i || ' days') FROM n;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
    INSERT INTO products SELECT i, 'SKU-' || i, 'Product ' || i, 1 + (i * 37 % 500) / 10.0 FROM n;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
    INSERT INTO orders SELECT i, 1 + i * 7 % 1000, 1 + i * 11 % 200, 1 + i % 9,
        CASE i % 4 WHEN 0 THEN NULL ELSE 'note ' || i END FROM n;";

/// The scratch shop.
pub struct Shop {
    connection: Connection,
}

/// What somebody sees who looks at the shop: how many rows, and a checksum over every value of every table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sight {
    customers: u64,
    products: u64,
    orders: u64,
    #[serde(serialize_with = "hexadecimal")]
    checksum: u64,
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { customers, products, orders, checksum } = self;
        write!(f, "{customers} customers, {products} products, {orders} orders, checksum {checksum:016x}")
    }
}

fn hexadecimal<S: Serializer>(checksum: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{checksum:016x}"))
}

impl Shop {
    /// Makes the shop.
    ///
    /// # Errors
    /// When SQLite cannot make it.
    pub fn create(path: &Path) -> Result<Self, CliError> {
        let create = || {
            Connection::open(path)?.execute_batch(&format!("BEGIN; {TABLES} {ROWS} COMMIT;"))?;
            // Looking must not change anything, so the connection that stays cannot.
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(BUSY_MAX)?;
            Ok(connection)
        };
        let connection = create().map_err(|error| failed("make the scratch shop", &error))?;
        Ok(Self { connection })
    }

    /// Looks at it.
    ///
    /// # Errors
    /// When SQLite cannot read it.
    pub fn look(&self) -> Result<Sight, CliError> {
        self.sight().map_err(|error| failed("look at the scratch shop", &error))
    }

    fn sight(&self) -> rusqlite::Result<Sight> {
        // One transaction, so that all tables are seen at the same moment.
        let transaction = self.connection.unchecked_transaction()?;
        let mut hasher = DefaultHasher::new();
        let customers = self.read("SELECT * FROM customers ORDER BY id", &mut hasher)?;
        let products = self.read("SELECT * FROM products ORDER BY id", &mut hasher)?;
        let orders = self.read("SELECT * FROM orders ORDER BY id", &mut hasher)?;
        // The schema too: a helper that stays would be seen here.
        self.read("SELECT type, name, sql FROM sqlite_master ORDER BY name", &mut hasher)?;
        transaction.finish()?;
        Ok(Sight { customers, products, orders, checksum: hasher.finish() })
    }

    fn read(&self, sql: &str, hasher: &mut DefaultHasher) -> rusqlite::Result<u64> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            for column in 0..columns {
                hash(row.get_ref(column)?, hasher);
            }
        }
        Ok(count)
    }
}

/// Values of different types never hash alike, so that NULL and '' differ.
fn hash(value: ValueRef<'_>, hasher: &mut DefaultHasher) {
    match value {
        ValueRef::Null => 0_u8.hash(hasher),
        ValueRef::Integer(number) => (1_u8, number).hash(hasher),
        ValueRef::Real(number) => (2_u8, number.to_bits()).hash(hasher),
        ValueRef::Text(text) => (3_u8, text).hash(hasher),
        ValueRef::Blob(bytes) => (4_u8, bytes).hash(hasher),
    }
}

fn failed(what: &str, error: &rusqlite::Error) -> CliError {
    CliError::new(Code::Demo, what).because(error)
}
