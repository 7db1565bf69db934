//! Aligned columns without frames, so that they can be read and cut.

use comfy_table::{ContentArrangement, Table, presets};

use chaos_engine::report::plain;

/// Returns rows under a head, each column as wide as its widest cell.
pub fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.iter().map(|title| title.to_uppercase()));
    for row in rows {
        // A name may hold anything; a line of a table must stay one line.
        table.add_row(row.iter().map(|cell| plain(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_a_hostile_name_stays_in_its_line() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long\nname".to_owned(), "22".to_owned()]];
        assert_eq!(columns(&["name", "n"], &rows), "NAME        N\na           1\nlong\\nname  22\n");
    }
}
