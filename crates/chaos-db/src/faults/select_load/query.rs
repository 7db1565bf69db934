//! Draws queries from the schema: lookups by key, scans, joins along foreign keys, sorts and groupings.

use serde::{Deserialize, Serialize};

use crate::postgres::sql::{ident, literal, qualified};
use crate::schema::{Column, ColumnKind, ForeignKey, Table};

/// How many rows one query hands out at most.
const ROWS_MAX: u32 = 100;
/// How many keys are known to the lookups of one table.
const KEYS_MAX: u32 = 200;
/// Larger tables are sampled by pages, so that the choice of keys reads only a part of them.
const SAMPLE_FROM: u64 = 20_000;
/// How many rows such a sample has, from which the keys are chosen.
const SAMPLE_ROWS: f64 = 10_000.0;
/// How many queries a load draws from, so that a step stays small.
const QUERIES_MAX: usize = 200;

/// What a query does to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryKind {
    /// Finds one row by its key.
    Lookup,
    /// Reads a whole table.
    Scan,
    /// Joins a table to the one it refers to.
    Join,
    /// Sorts a table.
    Sort,
    /// Groups and counts.
    Aggregate,
}

impl QueryKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Lookup, Self::Scan, Self::Join, Self::Sort, Self::Aggregate];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Scan => "scan",
            Self::Join => "join",
            Self::Sort => "sort",
            Self::Aggregate => "aggregate",
        }
    }

    /// How often it is drawn, compared with the others: applications mostly look up.
    pub fn weight(self) -> u32 {
        match self {
            Self::Lookup => 8,
            Self::Scan | Self::Join | Self::Sort | Self::Aggregate => 3,
        }
    }
}

/// One query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// What it does.
    pub kind: QueryKind,
    /// Its text; for a lookup up to and with `WHERE`.
    pub sql: String,
    /// For a lookup: the keys to choose from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Keys>,
}

/// Where the keys of a lookup come from. They are read when the load starts and never written down: a key may be a name
/// or an address of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The columns of the key.
    pub columns: Vec<String>,
    /// Reads some keys, as text.
    pub sql: String,
}

impl Query {
    /// Returns the text for one run of it. `key` is one of its keys; without any, a lookup finds nothing.
    pub fn text(&self, key: Option<&[String]>) -> String {
        let Some(keys) = &self.keys else { return self.sql.clone() };
        let Some(key) = key else { return format!("{} false", self.sql) };
        let pairs = keys.columns.iter().zip(key);
        let equal = pairs.map(|(column, value)| format!("{} = {}", ident(column), literal(value)));
        format!("{} {}", self.sql, equal.collect::<Vec<_>>().join(" AND "))
    }
}

/// Draws the queries for these tables. The seed chooses the keys of the lookups.
pub fn draw(tables: &[Table], seed: u64) -> Vec<Query> {
    let mut queries: Vec<Query> = tables.iter().flat_map(|table| of_table(table, seed)).collect();
    for table in tables {
        let known = |key: &&ForeignKey| {
            tables.iter().any(|parent| parent.schema == key.parent_schema && parent.name == key.parent_table)
        };
        queries.extend(table.foreign_keys.iter().filter(known).filter_map(join));
    }
    queries.truncate(QUERIES_MAX);
    queries
}

fn of_table(table: &Table, seed: u64) -> Vec<Query> {
    let from = qualified(&table.schema, &table.name);
    let query = |kind, sql| Query { kind, sql, keys: None };
    let mut queries = vec![query(QueryKind::Scan, format!("SELECT count(*) FROM {from}"))];
    queries.extend(lookup(table, &from, seed));
    // What is not part of the key is less likely to have an index, so that there is something to sort.
    let plain = table.columns.iter().filter(|column| !table.primary_key.contains(&column.name));
    let ordered: Vec<&Column> = plain.filter(|column| has_order(&column.kind)).collect();
    if let Some(column) = ordered.last() {
        let column = ident(&column.name);
        let sort = format!("SELECT * FROM {from} ORDER BY {column} DESC LIMIT {ROWS_MAX}");
        queries.push(query(QueryKind::Sort, sort));
    }
    if let Some(column) = ordered.first() {
        let column = ident(&column.name);
        let group = format!(
            "SELECT {column}, count(*) FROM {from} GROUP BY {column} ORDER BY count(*) DESC LIMIT {ROWS_MAX}"
        );
        queries.push(query(QueryKind::Aggregate, group));
    }
    queries
}

fn lookup(table: &Table, from: &str, seed: u64) -> Option<Query> {
    let columns = table.primary_key.clone();
    if columns.is_empty() {
        return None;
    }
    let names =
        columns.iter().map(|column| format!("{}::text", ident(column))).collect::<Vec<_>>().join(", ");
    let seed = seed.cast_signed();
    // The place of a row, mixed with the seed, orders rows at random: neighbours would all lie in one cached page.
    let order = format!("ORDER BY hashtextextended(t.ctid::text, {seed})");
    let (sample, order) = match table.row_estimate {
        Some(rows) if rows > SAMPLE_FROM => {
            let percent = (SAMPLE_ROWS * 100.0 / rows as f64).min(100.0);
            (format!("TABLESAMPLE SYSTEM ({percent}) REPEATABLE ({seed})"), order)
        }
        Some(_) => (String::new(), order),
        // Never counted, so it may be large: the first rows must do.
        None => (String::new(), String::new()),
    };
    let sample = format!("SELECT {names} FROM {from} t {sample} {order} LIMIT {KEYS_MAX}");
    let sql = format!("SELECT * FROM {from} WHERE");
    Some(Query { kind: QueryKind::Lookup, sql, keys: Some(Keys { columns, sql: sample }) })
}

fn join(key: &ForeignKey) -> Option<Query> {
    let child = qualified(&key.child_schema, &key.child_table);
    let parent = qualified(&key.parent_schema, &key.parent_table);
    let pairs = key.child_columns.iter().zip(&key.parent_columns);
    let on: Vec<String> = pairs.map(|(c, p)| format!("c.{} = p.{}", ident(c), ident(p))).collect();
    let group: Vec<String> = key.parent_columns.iter().map(|column| format!("p.{}", ident(column))).collect();
    if on.is_empty() {
        return None;
    }
    let (on, group) = (on.join(" AND "), group.join(", "));
    let sql = format!(
        "SELECT {group}, count(*) FROM {child} c JOIN {parent} p ON {on} \
         GROUP BY {group} ORDER BY count(*) DESC LIMIT {ROWS_MAX}"
    );
    Some(Query { kind: QueryKind::Join, sql, keys: None })
}

/// Whether the server can sort and group by values of this kind.
fn has_order(kind: &ColumnKind) -> bool {
    match kind {
        ColumnKind::Bool
        | ColumnKind::Int(_)
        | ColumnKind::Numeric { .. }
        | ColumnKind::Float(_)
        | ColumnKind::Text { .. }
        | ColumnKind::Uuid
        | ColumnKind::Date
        | ColumnKind::Time { .. }
        | ColumnKind::Timestamp { .. }
        | ColumnKind::Interval
        | ColumnKind::Bytes
        | ColumnKind::Inet
        | ColumnKind::Cidr
        | ColumnKind::MacAddr
        | ColumnKind::Bit { .. }
        | ColumnKind::Enum(_) => true,
        ColumnKind::Json { binary } => *binary,
        ColumnKind::Array(element) | ColumnKind::Range(element) => has_order(element),
        ColumnKind::Any | ColumnKind::Unsupported(_) => false,
    }
}

/// Chooses a query: first each one once, so that every kind is seen, then by the weight of the kinds.
pub(super) fn choose(queries: &[Query], seed: u64, number: u64) -> usize {
    if number < queries.len() as u64 {
        return number as usize;
    }
    let total: u64 = queries.iter().map(|query| u64::from(query.kind.weight())).sum();
    let mut ball = mix(seed ^ mix(number)) % total.max(1);
    for (place, query) in queries.iter().enumerate() {
        let weight = u64::from(query.kind.weight());
        if ball < weight {
            return place;
        }
        ball -= weight;
    }
    0
}

/// SplitMix64: a well-mixed number for every number, the same in every version of this program.
pub(super) fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: ColumnKind) -> Column {
        Column {
            name: name.to_owned(),
            kind,
            sql_type: String::new(),
            not_null: false,
            default: None,
            identity: None,
            generated: false,
        }
    }

    fn table(name: &str, columns: Vec<Column>, key: &[&str]) -> Table {
        Table {
            schema: "public".to_owned(),
            name: name.to_owned(),
            columns,
            primary_key: key.iter().map(ToString::to_string).collect(),
            unique: Vec::new(),
            foreign_keys: Vec::new(),
            referenced_by: Vec::new(),
            checks: Vec::new(),
            triggers: Vec::new(),
            row_estimate: None,
            bytes: 0,
        }
    }

    fn kinds(queries: &[Query]) -> Vec<QueryKind> {
        queries.iter().map(|query| query.kind).collect()
    }

    #[test]
    fn a_table_that_can_only_be_read_as_a_whole_is_only_scanned() {
        let bag = table("bag", vec![column("doc", ColumnKind::Json { binary: false })], &[]);
        assert_eq!(kinds(&draw(&[bag], 1)), [QueryKind::Scan]);
    }

    #[test]
    fn joins_follow_foreign_keys_between_the_chosen_tables_only() {
        let users = table("users", vec![column("id", ColumnKind::Int(64))], &["id"]);
        let mut orders = table("orders", vec![column("user", ColumnKind::Int(64))], &[]);
        orders.foreign_keys.push(ForeignKey {
            name: "f".to_owned(),
            child_schema: "public".to_owned(),
            child_table: "orders".to_owned(),
            child_columns: vec!["user".to_owned()],
            parent_schema: "public".to_owned(),
            parent_table: "users".to_owned(),
            parent_columns: vec!["id".to_owned()],
            on_delete: "NO ACTION".to_owned(),
        });
        assert!(!kinds(&draw(std::slice::from_ref(&orders), 1)).contains(&QueryKind::Join));
        let queries = draw(&[users, orders], 1);
        let join = queries.iter().find(|query| query.kind == QueryKind::Join).unwrap();
        assert!(join.sql.contains(r#""public"."orders" c JOIN "public"."users" p ON c."user" = p."id""#));
    }

    #[test]
    fn a_key_that_is_sql_stays_a_value() {
        let query = lookup(&table("t", Vec::new(), &["a", "B"]), "t", 1).unwrap();
        let text = query.text(Some(&["'; DROP TABLE t; --".to_owned(), "x".to_owned()]));
        assert_eq!(text, r#"SELECT * FROM t WHERE "a" = '''; DROP TABLE t; --' AND "B" = 'x'"#);
    }

    #[test]
    fn every_query_runs_once_before_any_runs_twice_and_the_draw_repeats() {
        let query = |kind| Query { kind, sql: String::new(), keys: None };
        let queries = QueryKind::ALL.map(query);
        let drawn: Vec<usize> = (0..1000).map(|number| choose(&queries, 42, number)).collect();
        assert_eq!(drawn[..5], [0, 1, 2, 3, 4]);
        assert_eq!(drawn, (0..1000).map(|number| choose(&queries, 42, number)).collect::<Vec<_>>());
        let lookups = drawn.iter().filter(|place| **place == 0).count();
        // 8 of 20 by weight: 400 expected, far from the 200 of an even draw.
        assert!((330..470).contains(&lookups), "{lookups}");
    }
}
