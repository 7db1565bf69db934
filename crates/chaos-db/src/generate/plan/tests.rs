//! Plans for whole tables.

use std::collections::HashSet;

use super::*;
use crate::generate::Needs;
use crate::schema::{Check, Column, ColumnKind, ForeignKey};

fn text(max: Option<u32>) -> ColumnKind {
    ColumnKind::Text { max, padded: false }
}

fn table(columns: &[(&str, ColumnKind)]) -> Table {
    let columns = columns.iter().map(|(name, kind)| Column {
        name: (*name).to_owned(),
        kind: kind.clone(),
        sql_type: "some_type".to_owned(),
        not_null: true,
        default: None,
        identity: None,
        generated: false,
    });
    Table {
        schema: "public".to_owned(),
        name: "users".to_owned(),
        columns: columns.collect(),
        primary_key: Vec::new(),
        unique: Vec::new(),
        foreign_keys: Vec::new(),
        referenced_by: Vec::new(),
        checks: Vec::new(),
        triggers: Vec::new(),
        row_estimate: None,
        bytes: 0,
    }
}

fn foreign_key(column: &str) -> ForeignKey {
    ForeignKey {
        name: format!("{column}_fk"),
        child_schema: "public".to_owned(),
        child_table: "users".to_owned(),
        child_columns: vec![column.to_owned()],
        parent_schema: "public".to_owned(),
        parent_table: "parents".to_owned(),
        parent_columns: vec!["id".to_owned()],
        on_delete: "NO ACTION".to_owned(),
    }
}

fn keys(rows: u64) -> KeyPlan {
    let first_numbers = HashMap::from([("id".to_owned(), 5_000_000)]);
    KeyPlan { tag: "k3vq1".to_owned(), rows, first_numbers }
}

fn plan(table: &Table) -> Result<RowPlan, Vec<Obstacle>> {
    RowPlan::new(table, &keys(1_000), &HashMap::new(), 42)
}

#[track_caller]
fn column_of(table: &Table, column: &str) -> Vec<String> {
    let plan = plan(table).unwrap();
    let place = plan.columns().position(|name| name == column).unwrap();
    let cell = |row| {
        let mut line = Vec::new();
        plan.write_copy_text(row, &mut line);
        String::from_utf8(line).unwrap().trim_end_matches('\n').split('\t').nth(place).unwrap().to_owned()
    };
    (0..1_000).map(cell).collect()
}

#[track_caller]
fn obstacle(table: &Table) -> String {
    plan(table).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn check(expression: &str) -> Check {
    Check { name: "c".to_owned(), columns: Vec::new(), expression: expression.to_owned() }
}

#[test]
fn unique_columns_differ_in_every_row_and_fit_their_length() {
    let mut table = table(&[("id", ColumnKind::Int(64)), ("email", text(Some(30))), ("code", text(Some(8)))]);
    table.primary_key = vec!["id".to_owned()];
    table.unique = vec![vec!["email".to_owned()], vec!["code".to_owned()]];
    for (column, max) in [("id", 7), ("email", 30), ("code", 8)] {
        let values = column_of(&table, column);
        assert_eq!(values.iter().collect::<HashSet<_>>().len(), 1_000, "{column}");
        assert!(values.iter().all(|value| value.chars().count() <= max), "{column}: {}", values[999]);
    }
    assert_eq!(column_of(&table, "id")[999], "5000999");
    assert!(column_of(&table, "email")[0].contains("@example."));
}

#[test]
fn a_unique_text_that_is_too_short_is_an_obstacle() {
    let mut table = table(&[("code", text(Some(4)))]);
    table.unique = vec![vec!["code".to_owned()]];
    assert_eq!(obstacle(&table), "column `code`: it must be unique, and 4 characters are too few for that");
}

#[test]
fn a_key_that_cannot_vary_is_an_obstacle() {
    let mut table = table(&[("flag", ColumnKind::Bool)]);
    table.unique = vec![vec!["flag".to_owned()]];
    assert_eq!(obstacle(&table), "unique key `flag`: none of its columns has enough different values");
}

#[test]
fn a_composite_key_varies_by_its_own_number_and_not_by_the_parent() {
    let mut table = table(&[("tenant_id", ColumnKind::Int(32)), ("id", ColumnKind::Int(32))]);
    table.primary_key = vec!["tenant_id".to_owned(), "id".to_owned()];
    table.foreign_keys = vec![foreign_key("tenant_id")];
    let needs = Needs::of(&table).unwrap();
    assert_eq!((needs.numbers, needs.parents), (vec!["id".to_owned()], vec!["tenant_id_fk".to_owned()]));
    assert!(needs.free_parents.is_empty());
}

#[test]
fn a_key_made_of_parents_alone_uses_each_free_parent_once() {
    let mut table = table(&[("user_id", ColumnKind::Int(32)), ("bio", text(None))]);
    table.primary_key = vec!["user_id".to_owned()];
    table.foreign_keys = vec![foreign_key("user_id")];
    assert_eq!(Needs::of(&table).unwrap().free_parents, ["user_id_fk"]);
    let parents = |count: i64| {
        HashMap::from([("user_id_fk".to_owned(), (0..count).map(|id| vec![Cell::Int(id)]).collect())])
    };
    let plan = RowPlan::new(&table, &keys(3), &parents(3), 1).unwrap();
    let ids: Vec<Cell> = (0..3).map(|row| plan.cells(row).swap_remove(0)).collect();
    assert_eq!(ids, [Cell::Int(0), Cell::Int(1), Cell::Int(2)]);
    let refused = RowPlan::new(&table, &keys(3), &parents(2), 1).unwrap_err();
    assert_eq!(
        refused[0].to_string(),
        "foreign key `user_id_fk`: 3 rows of `parents` without a row here are needed, 2 are left"
    );
}

#[test]
fn a_missing_parent_is_null_where_that_is_allowed_and_an_obstacle_where_not() {
    let mut table = table(&[("boss_id", ColumnKind::Int(32)), ("name", text(None))]);
    table.foreign_keys = vec![foreign_key("boss_id")];
    assert_eq!(
        obstacle(&table),
        "foreign key `boss_id_fk`: `boss_id` needs a row of `parents`, which has none to offer"
    );
    table.columns[0].not_null = false;
    assert!(column_of(&table, "boss_id").iter().all(|value| value == "\\N"));
}

#[test]
fn checks_hold_for_every_row() {
    let mut table = table(&[
        ("price", ColumnKind::Numeric { precision: Some(6), scale: 2 }),
        ("stock", ColumnKind::Int(16)),
        ("status", text(Some(10))),
        ("starts", ColumnKind::Date),
        ("ends", ColumnKind::Date),
        ("slug", text(Some(12))),
        ("country_code", ColumnKind::Text { max: Some(2), padded: true }),
        ("email", text(None)),
    ]);
    table.checks = vec![
        check("CHECK ((price > (0)::numeric) AND (price < 2.5))"),
        check("CHECK ((stock >= 30000))"),
        check(
            "CHECK (((status)::text = ANY (ARRAY[('a b'::character varying)::text, ('c'::character varying)::text])))",
        ),
        check("CHECK ((starts < ends))"),
        check("CHECK ((lower((slug)::text) = (slug)::text) AND ((slug)::text ~~ 'x-%'::text))"),
        check("CHECK (((char_length(country_code) = 2) AND (country_code ~ '^[A-Z]{2}$'::text)))"),
        check("CHECK (((email)::text ~* '^[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}$'::text))"),
    ];
    table.unique = vec![vec!["email".to_owned()]];
    assert!(column_of(&table, "country_code").iter().all(|code| code.len() == 2));
    assert!(column_of(&table, "email").iter().all(|email| email.contains("@example.")));
    let prices = column_of(&table, "price").into_iter().map(|price| price.parse::<f64>().unwrap());
    assert!(prices.into_iter().all(|price| price > 0.0 && price < 2.5));
    assert!(column_of(&table, "stock").iter().all(|stock| stock.parse::<i16>().unwrap() >= 30_000));
    assert_eq!(column_of(&table, "status").into_iter().collect::<HashSet<_>>().len(), 2);
    assert!(
        column_of(&table, "starts").iter().zip(column_of(&table, "ends")).all(|(start, end)| *start < end)
    );
    assert!(
        column_of(&table, "slug").iter().all(|slug| slug.starts_with("x-") && *slug == slug.to_lowercase())
    );
}

#[test]
fn a_check_that_contradicts_what_is_needed_is_an_obstacle() {
    let mut table = table(&[("id", ColumnKind::Int(64)), ("level", ColumnKind::Int(16))]);
    table.primary_key = vec!["id".to_owned()];
    for (expression, why) in [
        ("id < 1000", "column `id`: it must be unique, and its checks leave no free range of numbers"),
        ("id IN (1, 2)", "column `id`: it must be unique, but a check allows only 2 values"),
        ("level > 40000", "column `level`: its checks leave no value that fits its type"),
        ("levle > 4", "column `levle`: a check names it, but the table does not have it"),
    ] {
        table.checks = vec![check(expression)];
        assert_eq!(obstacle(&table), why);
    }
}

#[test]
fn an_unknown_type_is_left_to_its_default_or_refused() {
    let unknown = ColumnKind::Unsupported("geometry".to_owned());
    let mut table = table(&[("shape", unknown), ("name", text(None))]);
    assert_eq!(obstacle(&table), "column `shape`: values of type `geometry` are not made");
    table.columns[0].not_null = false;
    let plan = plan(&table).unwrap();
    assert_eq!(plan.columns().collect::<Vec<_>>(), ["name"]);
    assert_eq!(plan.omitted()[0].column, "shape");
}

#[test]
fn generated_columns_are_left_out_and_values_for_copy_are_escaped() {
    let mut table = table(&[
        ("kind", ColumnKind::Enum(vec!["a\tb\\c\nd".to_owned()])),
        ("computed", ColumnKind::Int(32)),
    ]);
    table.columns[1].generated = true;
    let mut line = Vec::new();
    plan(&table).unwrap().write_copy_text(3, &mut line);
    assert_eq!(line, b"a\\tb\\\\c\\nd\n");
}

#[test]
fn a_row_depends_on_seed_and_number_only() {
    let mut table = table(&[("email", text(None)), ("note", text(None)), ("amount", ColumnKind::Float(64))]);
    table.columns[1].not_null = false;
    let made = |seed| RowPlan::new(&table, &keys(10), &HashMap::new(), seed).unwrap();
    assert_eq!(made(1).cells(5), made(1).cells(5));
    assert_ne!(made(1).cells(5), made(2).cells(5));
    assert_ne!(made(1).cells(5), made(1).cells(6));
    let notes = column_of(&table, "note");
    let nulls = notes.iter().filter(|note| *note == "\\N").count();
    assert!((20..140).contains(&nulls), "{nulls} of 1000 are NULL");
}
