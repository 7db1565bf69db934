//! Every database fault on a real SQLite file: what it does, it undoes, wherever it dies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is off"
)]

#[path = "worlds/sqlite.rs"]
mod files;
#[path = "sqlite/world.rs"]
#[allow(dead_code, reason = "shared with tests that use other parts")]
mod shop;

mod insert_load {
    use chaos_db::faults::insert_load::InsertLoad;
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<InsertLoad>,
        crate::files::Shop::in_mode("delete"),
        {"rows_per_table": 100},
        points: 10,
        old: [include_str!("steps/v1/insert_load.sqlite.json")],
    );
}

mod insert_load_with_wal {
    use chaos_db::faults::insert_load::InsertLoad;
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<InsertLoad>,
        crate::files::Shop::in_mode("wal"),
        {"rows_per_table": 100, "tables": ["users", "orders"]},
        points: 10,
    );
}

mod update_load {
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_db::faults::update_load::UpdateLoad;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<UpdateLoad>,
        crate::files::Shop::in_mode("delete"),
        {"rows": 30},
        points: 10,
        old: [include_str!("steps/v1/update_load.sqlite.json")],
    );
}

mod update_load_with_wal {
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_db::faults::update_load::UpdateLoad;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<UpdateLoad>,
        crate::files::Shop::in_mode("wal"),
        {"rows": 30, "tables": ["users"]},
        points: 10,
    );
}

mod select_load {
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_db::faults::select_load::SelectLoad;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<SelectLoad>,
        crate::files::Shop::in_mode("delete"),
        {"query_count": 2000, "connections": 3},
        points: 2,
        old: [include_str!("steps/v1/select_load.sqlite.json")],
    );
}

mod config_change {
    use chaos_db::faults::config_change::ConfigChange;
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<ConfigChange>,
        crate::files::Shop::in_mode("delete"),
        {"changes": [{"param": "user_version", "value": 9}, {"param": "application_id", "value": 5}]},
        points: 4,
        old: [include_str!("steps/v1/config_change.sqlite.json")],
    );
}

mod table_lock {
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_db::faults::table_lock::TableLock;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<TableLock>,
        crate::files::Shop::in_mode("delete"),
        {"tables": ["users"]},
        points: 3,
        old: [include_str!("steps/v1/table_lock.sqlite.json")],
    );
}
