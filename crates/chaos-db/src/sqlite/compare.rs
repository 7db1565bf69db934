//! Conditions that tell whether a row of a table is what the helper of a step holds.
//!
//! In all of them `t` is the table and `h` the helper.

use super::helper::Helper;
use super::sql::{ident, join, table};

/// The row that the helper means, found by index. It does not yet say that the content is the same.
pub(crate) fn same_key(helper: &Helper) -> String {
    let equal = helper.key.iter().map(|column| format!("t.{} = h.{}", ident(column), helper.after(column)));
    equal.collect::<Vec<_>>().join(" AND ")
}

/// Every value is still what the step left.
pub(crate) fn as_we_left_it(helper: &Helper) -> String {
    let same = helper.columns.iter().map(|column| same_value(column, &helper.after(column)));
    join(&same.collect::<Vec<_>>(), "AND")
}

/// Every value is what it was before the step.
pub(crate) fn as_before(helper: &Helper) -> String {
    let same = helper.columns.iter().map(|column| {
        let changed = helper.changed.contains(column);
        same_value(column, &if changed { helper.before(column) } else { helper.after(column) })
    });
    join(&same.collect::<Vec<_>>(), "AND")
}

/// `IS` alone takes 1 for 1.0 and follows a collation that ignores case.
fn same_value(column: &str, kept: &str) -> String {
    let column = ident(column);
    format!("typeof(t.{column}) = typeof(h.{kept}) AND t.{column} IS h.{kept} COLLATE BINARY")
}

/// No row of another table (or of this one) refers to the row, whatever its foreign keys do on DELETE.
pub(crate) fn without_children(keys: &[crate::schema::ForeignKey]) -> String {
    let condition = |key: &crate::schema::ForeignKey| {
        let list = |prefix: &str, columns: &[String]| {
            columns.iter().map(|column| format!("{prefix}{}", ident(column))).collect::<Vec<_>>()
        };
        let parent = list("t.", &key.parent_columns).join(", ");
        let child = list("c.", &key.child_columns);
        let present: Vec<String> = child.iter().map(|column| format!("{column} IS NOT NULL")).collect();
        format!(
            " AND ({parent}) NOT IN (SELECT {} FROM {} AS c WHERE {})",
            child.join(", "),
            table(&key.child_table),
            present.join(" AND ")
        )
    };
    keys.iter().map(condition).collect()
}
