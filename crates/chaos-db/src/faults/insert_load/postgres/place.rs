//! Finds a place for numbers that nobody uses, now or during the hold, and that two runs do not choose alike.

use chaos_core::{Failure, FaultError};

use crate::postgres::{PgSession, sql};
use crate::schema::{Column, ColumnKind, Table};

/// Beyond this, programs that keep numbers in floating point lose digits.
const EXACT_MAX: i64 = (1 << 53) - 1;
/// So many numbers are left to the application before ours begin, where the type has the room.
const AHEAD: i64 = 1 << 32;

/// Chooses the first of `rows` numbers for a column of `table`. `choice` decides between equally good places.
pub(super) async fn first_number(
    session: &PgSession,
    table: &Table,
    column: &Column,
    rows: u64,
    choice: u64,
) -> Result<i64, FaultError> {
    let used = used_up_to(session, table, &column.name).await?;
    place(used, most(&column.kind), rows, choice).ok_or_else(|| {
        let what = format!(
            "find {rows} free numbers for column `{}` of `{}`, where {used} is the last in use",
            column.name,
            table.qualified()
        );
        let hint = "insert fewer rows, or choose another table: the type of the column holds no more";
        FaultError::Preflight(Failure::new(what).hint(hint))
    })
}

/// The largest number that a column of this kind takes.
fn most(kind: &ColumnKind) -> i64 {
    match kind {
        ColumnKind::Int(16) => i64::from(i16::MAX),
        ColumnKind::Int(32) => i64::from(i32::MAX),
        ColumnKind::Int(_) => i64::MAX,
        ColumnKind::Numeric { precision: Some(precision), scale } => {
            let digits = u32::from(precision.saturating_sub(*scale)).min(15);
            10_i64.pow(digits) - 1
        }
        ColumnKind::Numeric { precision: None, .. } => 10_i64.pow(15) - 1,
        ColumnKind::Float(32) => (1 << 24) - 1,
        _ => EXACT_MAX,
    }
}

/// Chooses a place above `used`: far ahead where there is room, else in the upper half of what is left, so that the
/// application can go on counting. Equal-sized places lie side by side; `choice` picks one.
fn place(used: i64, most: i64, rows: u64, choice: u64) -> Option<i64> {
    let used = used.max(0);
    let top = if used < EXACT_MAX / 2 { most.min(EXACT_MAX) } else { most };
    let room = top.checked_sub(used)?;
    let low = if room / 4 > AHEAD { used + AHEAD } else { used + room / 2 };
    let size = i64::try_from(rows.checked_next_power_of_two()?).ok()?;
    let places = (top - low) / size;
    if places == 0 {
        // No whole place is left, but the rows themselves may still fit.
        return (top - low >= i64::try_from(rows).ok()?).then_some(low + 1);
    }
    let chosen = i64::try_from(choice % places.cast_unsigned()).ok()?;
    Some(low + 1 + chosen * size)
}

/// Returns the largest number that the column holds or that its sequence has given out.
async fn used_up_to(session: &PgSession, table: &Table, column: &str) -> Result<i64, FaultError> {
    let what = format!("find the last number of column `{column}` of `{}`", table.qualified());
    let statement = format!(
        "SELECT least(ceil(coalesce(max({column}), 0)::numeric), {})::bigint FROM {table}",
        i64::MAX,
        column = sql::ident(column),
        table = sql::qualified(&table.schema, &table.name),
    );
    let rows = session.query(what.clone(), &statement, &[]).await?;
    let highest: Option<i64> = rows.first().and_then(|row| row.get(0));
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&table.schema, &table.name, &column];
    let rows = session.query(what, include_str!("sequence.sql"), &parameters).await?;
    let given_out: Option<i64> = rows.first().and_then(|row| row.get(0));
    Ok(highest.unwrap_or_default().max(given_out.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(used: i64, kind: &ColumnKind, rows: u64, choice: u64) -> Option<i64> {
        let first = place(used, most(kind), rows, choice)?;
        let last = first + i64::try_from(rows).unwrap() - 1;
        assert!(first > used && last <= most(kind), "{first} to {last}");
        Some(first)
    }

    #[test]
    fn big_numbers_lie_far_ahead_of_the_application() {
        let first = check(1_000_000, &ColumnKind::Int(64), 1_000_000, 77).unwrap();
        assert!(first > 1_000_000 + AHEAD && first < EXACT_MAX);
    }

    #[test]
    fn small_types_are_filled_from_the_upper_half_and_no_further() {
        assert!(check(10_000, &ColumnKind::Int(32), 1_000_000, 5).unwrap() > 1 << 30);
        assert!(check(0, &ColumnKind::Int(16), 16_000, 5).is_some());
        assert_eq!(check(0, &ColumnKind::Int(16), 20_000, 5), None);
        assert_eq!(check(i64::from(i32::MAX), &ColumnKind::Int(32), 1, 5), None);
    }

    #[test]
    fn neighbouring_choices_never_overlap() {
        for kind in
            [ColumnKind::Int(64), ColumnKind::Int(32), ColumnKind::Numeric { precision: Some(9), scale: 2 }]
        {
            let first = check(500, &kind, 1_000, 8).unwrap();
            let second = check(500, &kind, 1_000, 9).unwrap();
            assert!(first.abs_diff(second) >= 1_000, "{kind:?}");
        }
    }

    #[test]
    fn numbers_used_beyond_exact_floats_are_still_passed() {
        assert!(check(EXACT_MAX, &ColumnKind::Int(64), 10, 3).unwrap() > EXACT_MAX);
    }
}
