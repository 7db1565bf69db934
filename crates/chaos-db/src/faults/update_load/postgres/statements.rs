//! The SQL text of one step: helper tables, copy, change, undo.
//!
//! Names: `t` is the table, `h` the helper with one row for every changed row (`id`, key `k1…`, old values `o1…`, new
//! values `n1…`), `d` the batches that are undone, `c` the rows that could not be.

use super::UpdateStep;
use super::change::{Place, new_value};
use crate::postgres::sql::{ident, qualified};

/// The helper tables beside the marker, in an order in which they can be dropped.
pub(super) const TABLES: [&str; 3] = ["c", "d", "h"];

/// The statements of one step on one table.
pub(super) struct Statements<'a> {
    step: &'a UpdateStep,
    table: String,
    /// The helper table, quoted.
    pub(super) helper: String,
    /// The table of finished batches, quoted.
    pub(super) done: String,
    /// The table of conflicts, quoted.
    pub(super) conflicts: String,
}

/// Which rows a copy takes.
pub(super) struct Copied<'a> {
    /// `TABLESAMPLE …` or nothing.
    pub(super) sample: &'a str,
    /// Conditions on `t`, each beginning with `AND`.
    pub(super) conditions: &'a str,
    /// At most so many rows.
    pub(super) limit: u64,
    /// The last number that is taken already.
    pub(super) last_id: u64,
}

impl<'a> Statements<'a> {
    /// Writes for the table under its name in the plan.
    pub(super) fn new(step: &'a UpdateStep) -> Self {
        Self::on(step, &step.schema, &step.table)
    }

    /// Writes for the table under the name that it has now.
    pub(super) fn on(step: &'a UpdateStep, schema: &str, table: &str) -> Self {
        let helper = &step.helper;
        Self {
            step,
            table: qualified(schema, table),
            helper: helper.table("h"),
            done: helper.table("d"),
            conflicts: helper.table("c"),
        }
    }

    /// Makes the helper tables. The columns of `h` have the very types of the table's.
    pub(super) fn create(&self) -> String {
        let (helper, done, conflicts) = (&self.helper, &self.done, &self.conflicts);
        format!(
            "CREATE TABLE {helper} AS SELECT 0::bigint AS id, {key}, {old}, {new} FROM {table} AS t WITH NO DATA; \
             CREATE TABLE {done} (batch bigint PRIMARY KEY, rows bigint NOT NULL, restored bigint NOT NULL); \
             CREATE TABLE {conflicts} (id bigint PRIMARY KEY, found text NOT NULL)",
            key = self.each_key(|name, number| format!("t.{name} AS k{number}")),
            old = self.each(|name, number| format!("t.{name} AS o{number}")),
            new = self.each(|name, number| format!("t.{name} AS n{number}")),
            table = self.table,
        )
    }

    /// Keeps everyone from changing the shape of the table, without waiting for anybody.
    pub(super) fn lock(&self) -> String {
        format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE NOWAIT", self.table)
    }

    /// Locks rows and copies them, with their new values, into the helper. Rows that somebody else has locked are not
    /// waited for.
    pub(super) fn copy(&self, copied: &Copied<'_>) -> String {
        let Copied { sample, conditions, limit, last_id } = copied;
        // OFFSET 0 keeps the server from making every new value twice, for the list and for the condition.
        format!(
            "INSERT INTO {helper} SELECT * FROM ( \
               SELECT s.number, {key}, {old}, {new} FROM ( \
                 SELECT row_number() OVER () + {last_id} AS number, s.* FROM ( \
                   SELECT {key_of_table}, {old_of_table} FROM {table} AS t {sample} WHERE true {conditions} \
                   LIMIT {limit} FOR NO KEY UPDATE OF t SKIP LOCKED \
                 ) AS s \
               ) AS s OFFSET 0 \
             ) AS h WHERE NOT record_image_eq({olds}, {news})",
            helper = self.helper,
            key = self.each_key(|_, number| format!("s.k{number}")),
            old = self.each(|_, number| format!("s.o{number}")),
            new = self.new_values(),
            key_of_table = self.each_key(|name, number| format!("t.{name} AS k{number}")),
            old_of_table = self.each(|name, number| format!("t.{name} AS o{number}")),
            table = self.table,
            olds = self.olds(),
            news = self.news(),
        )
    }

    fn new_values(&self) -> String {
        let changes = (1..).zip(&self.step.changes).map(|(number, change)| {
            let old = format!("s.o{number}");
            let place = Place { old: &old, number: "s.number", seed: self.step.seed + number };
            match new_value(&change.kind, &change.sql_type, &place) {
                Ok(value) => format!("{value} AS n{number}"),
                // Only columns with a change are ever planned; a value that is no change leaves the row out.
                Err(_) => format!("{old} AS n{number}"),
            }
        });
        changes.collect::<Vec<_>>().join(", ")
    }

    /// Takes random rows out of the helper again.
    pub(super) fn drop_surplus(&self, surplus: u64) -> String {
        format!(
            "DELETE FROM {helper} WHERE id IN \
             (SELECT id FROM {helper} ORDER BY hashint8(id + {seed}), id LIMIT {surplus})",
            helper = self.helper,
            seed = self.step.seed,
        )
    }

    /// Takes rows out of the helper that meet a condition on `t`.
    pub(super) fn drop_where(&self, condition: &str) -> String {
        let (helper, table, same_key) = (&self.helper, &self.table, self.same_key());
        format!("DELETE FROM {helper} AS h USING {table} AS t WHERE {same_key} AND {condition}")
    }

    /// A condition on `t`: it is not in the helper.
    pub(super) fn is_not_copied(&self) -> String {
        format!("NOT EXISTS (SELECT FROM {} AS h WHERE {})", self.helper, self.same_key())
    }

    /// Writes the new values of the rows with these numbers.
    pub(super) fn change(&self, ids: &str) -> String {
        format!(
            "UPDATE {table} AS t SET {set} FROM {helper} AS h WHERE {ids} AND {same_key}",
            table = self.table,
            set = self.each(|name, number| format!("{name} = h.n{number}")),
            helper = self.helper,
            same_key = self.same_key(),
        )
    }

    /// Writes the old values of the rows with these numbers that are still ours, notes the batch as done, and returns
    /// how many rows it has, how many were set back, and how many of those now hold exactly the old values.
    pub(super) fn restore(&self, batch: u64, ids: &str, xmin: &str) -> String {
        // The note takes the place of deleting the helper's rows: a batch happens once, for half the log.
        format!(
            "WITH back AS ( \
               UPDATE {table} AS t SET {set} FROM {helper} AS h \
               WHERE {ids} AND {same_key} AND t.xmin = {xmin} AND record_image_eq({current}, {news}) \
               RETURNING record_image_eq({current}, {olds}) AS is_exact \
             ), counted AS ( \
               SELECT (SELECT count(*) FROM {helper} AS h WHERE {ids}) AS rows, count(*) AS restored, \
                      count(*) FILTER (WHERE is_exact) AS exact FROM back \
             ), noted AS (INSERT INTO {done} SELECT {batch}, rows, restored FROM counted) \
             SELECT rows, restored, exact FROM counted",
            table = self.table,
            set = self.each(|name, number| format!("{name} = h.o{number}")),
            helper = self.helper,
            same_key = self.same_key(),
            current = self.current(),
            news = self.news(),
            olds = self.olds(),
            done = self.done,
        )
    }

    /// Notes what became of the rows with these numbers that this transaction could not set back.
    pub(super) fn note_conflicts(&self, ids: &str) -> String {
        format!(
            "INSERT INTO {conflicts} SELECT h.id, coalesce( \
               (SELECT CASE WHEN record_image_eq({current}, {olds}) THEN 'back' ELSE 'changed' END \
                FROM {table} AS t WHERE {same_key}), 'deleted') \
             FROM {helper} AS h WHERE {ids} AND NOT EXISTS ( \
               SELECT FROM {table} AS t WHERE {same_key} AND t.xmin = (txid_current() & 4294967295)::text::xid)",
            conflicts = self.conflicts,
            current = self.current(),
            olds = self.olds(),
            table = self.table,
            same_key = self.same_key(),
            helper = self.helper,
        )
    }

    /// Notes every row that is not undone yet as gone with its table.
    pub(super) fn note_all_gone(&self) -> String {
        let (helper, done, conflicts) = (&self.helper, &self.done, &self.conflicts);
        let batch = format!("(h.id - 1) / {}", self.step.batch_rows);
        let open = format!("NOT EXISTS (SELECT FROM {done} AS d WHERE d.batch = {batch})");
        format!(
            "INSERT INTO {conflicts} SELECT h.id, 'deleted' FROM {helper} AS h WHERE {open}; \
             INSERT INTO {done} SELECT {batch}, count(*), 0 FROM {helper} AS h WHERE {open} GROUP BY 1"
        )
    }

    /// The key of a row of the helper as text: `(42, a)`.
    pub(super) fn key_text(&self) -> String {
        let parts = self.each_key(|_, number| format!("coalesce(h.k{number}::text, 'NULL')"));
        format!("concat_ws(', ', {parts})")
    }

    fn same_key(&self) -> String {
        let pairs = (1..)
            .zip(&self.step.key)
            .map(|(number, name): (u32, _)| format!("t.{} = h.k{number}", ident(name)));
        pairs.collect::<Vec<_>>().join(" AND ")
    }

    fn current(&self) -> String {
        format!("ROW({})", self.each(|name, _| format!("t.{name}")))
    }

    fn olds(&self) -> String {
        format!("ROW({})", self.each(|_, number| format!("h.o{number}")))
    }

    fn news(&self) -> String {
        format!("ROW({})", self.each(|_, number| format!("h.n{number}")))
    }

    fn each(&self, write: impl Fn(String, u32) -> String) -> String {
        let columns =
            (1..).zip(&self.step.changes).map(|(number, change)| write(ident(&change.column), number));
        columns.collect::<Vec<_>>().join(", ")
    }

    fn each_key(&self, write: impl Fn(String, u32) -> String) -> String {
        let columns = (1..).zip(&self.step.key).map(|(number, name)| write(ident(name), number));
        columns.collect::<Vec<_>>().join(", ")
    }
}
