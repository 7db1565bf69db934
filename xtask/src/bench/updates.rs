//! The undo of `db.update_load` beside one set-based UPDATE … FROM of the same rows.

use super::chaos::Chaos;
use super::psql::Psql;
use super::{Arguments, Figure, Limit, median};
use crate::Outcome;

const HOLD: &str = "1s";

/// Measures the undo.
pub fn measure(chaos: &Chaos, psql: &Psql, arguments: &Arguments) -> Outcome<Vec<Figure>> {
    let rows = arguments.rows;
    let (mut undos, mut updates) = (Vec::new(), Vec::new());
    for repetition in 1..=arguments.repetitions {
        eprintln!("updates {repetition}/{} …", arguments.repetitions);
        make_tables(psql, rows)?;
        psql.settle()?;
        let params = format!("{{rows: {rows}, tables: [ours]}}");
        let experiment = psql.experiment(chaos, "db.update_load", &params, HOLD)?;
        let journal = chaos.run(&experiment, || psql.settle())?;
        undos.push(journal.between("rollback_started", "reverted")?);

        // The reference table goes through the same history: every row changed once, then put back.
        psql.execute("UPDATE reference SET name = name || 'x', balance = balance + 1, note = note || 'x'")?;
        psql.settle()?;
        updates.push(psql.time(
            "UPDATE reference r SET name = h.name, balance = h.balance, note = h.note
             FROM helper h WHERE r.id = h.id",
        )?);
    }
    Ok(vec![Figure::ratio(
        &format!("undo of {rows} updates, against UPDATE"),
        "ms",
        median(undos),
        median(updates),
        Limit::AtMost(1.3),
    )])
}

/// Makes two equal tables, and a helper with the rows as they are.
fn make_tables(psql: &Psql, rows: u64) -> Outcome {
    psql.execute("DROP TABLE IF EXISTS ours, reference, helper")?;
    psql.execute(
        "CREATE TABLE ours (id bigint PRIMARY KEY, name text NOT NULL, balance numeric(12,2) NOT NULL, note text NOT NULL)",
    )?;
    psql.execute(&format!(
        "INSERT INTO ours SELECT n, 'name ' || n, n % 1000, 'a note on row ' || n FROM generate_series(1, {rows}) n"
    ))?;
    psql.execute("CREATE TABLE reference (LIKE ours INCLUDING ALL)")?;
    psql.execute("INSERT INTO reference SELECT * FROM ours")?;
    psql.execute("CREATE TABLE helper AS SELECT * FROM ours")?;
    for table in ["ours", "reference", "helper"] {
        psql.execute(&format!("VACUUM ANALYZE {table}"))?;
    }
    Ok(())
}
