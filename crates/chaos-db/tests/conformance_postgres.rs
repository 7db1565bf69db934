//! Every database fault on a real PostgreSQL server: what it does, it undoes, wherever it dies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is off"
)]

mod common;
#[path = "worlds/observer.rs"]
mod observer;
mod own_server;
#[path = "worlds/postgres.rs"]
mod postgres;
#[path = "worlds/postgres_server.rs"]
mod postgres_server;

mod the_world {
    use chaos_db::DbTarget;
    use chaos_testkit::World;

    use crate::postgres::Shop;

    #[tokio::test]
    async fn sees_changed_rows_helpers_and_indexes() {
        let prototype = Shop::new();
        if !prototype.is_there().await {
            return;
        }
        let world = prototype.fresh().await;
        let before = world.snapshot().await;
        for (change, back) in [
            (
                "UPDATE users SET score = score + 1 WHERE id = 7",
                "UPDATE users SET score = score - 1 WHERE id = 7",
            ),
            ("UPDATE users SET name = '' WHERE id = 5", "UPDATE users SET name = NULL WHERE id = 5"),
            ("CREATE SCHEMA chaos_helper", "DROP SCHEMA chaos_helper"),
            ("CREATE INDEX extra ON users (name)", "DROP INDEX extra"),
            ("ALTER TABLE users SET (fillfactor = 50)", "ALTER TABLE users RESET (fillfactor)"),
        ] {
            world.run(change).await;
            assert_ne!(world.snapshot().await, before, "{change}");
            world.run(back).await;
            assert_eq!(world.snapshot().await, before, "{back}");
        }
        world.remove().await;
    }

    #[tokio::test]
    async fn sees_a_session_and_a_lock_that_stay() {
        let prototype = Shop::new();
        if !prototype.is_there().await {
            return;
        }
        let world = prototype.fresh().await;
        let before = world.snapshot().await;
        let DbTarget::Postgres(target) = world.connect().await else { unreachable!("it is PostgreSQL") };
        let session = target.session().await.unwrap();
        session.batch("stay", "SELECT pg_advisory_lock(1, 2)").await.unwrap();
        let seen = world.glimpse().await;
        assert!(seen.contains("backend chaos") && seen.contains("advisory lock 1 2"), "{seen}");
        drop(session);
        assert_eq!(world.snapshot().await, before);
        world.remove().await;
    }
}

mod insert_load {
    use chaos_db::faults::insert_load::InsertLoad;
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<InsertLoad>,
        crate::postgres::Shop::new(),
        {"rows_per_table": 200, "tables": ["users", "Order Lines"]},
        points: 13,
        old: [include_str!("steps/v1/insert_load.postgres.json")],
    );
}

mod update_load {
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_db::faults::update_load::UpdateLoad;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<UpdateLoad>,
        crate::postgres::Shop::new(),
        {"rows": 50, "tables": ["users", "Order Lines"]},
        points: 11,
        old: [include_str!("steps/v1/update_load.postgres.json")],
    );
}

mod select_load {
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_db::faults::select_load::SelectLoad;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<SelectLoad>,
        crate::postgres::Shop::new(),
        {"query_count": 2000, "connections": 3},
        points: 4,
        old: [include_str!("steps/v1/select_load.postgres.json")],
    );
}

mod config_change {
    use chaos_db::faults::config_change::ConfigChange;
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<ConfigChange>,
        crate::postgres_server::Server::new(),
        {"changes": [{"param": "work_mem", "value": "2MB"}, {"param": "random_page_cost", "value": 2.5}]},
        points: 6,
        old: [include_str!("steps/v1/config_change.postgres.json")],
    );
}

mod table_lock {
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_db::faults::table_lock::TableLock;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<TableLock>,
        crate::postgres::Shop::new(),
        {"tables": ["users", "select"]},
        points: 5,
        old: [include_str!("steps/v1/table_lock.postgres.json")],
    );
}

mod row_lock {
    use chaos_db::faults::on_database::OnDatabase;
    use chaos_db::faults::row_lock::RowLock;
    use chaos_testkit::conformance;

    conformance::reversible!(
        OnDatabase<RowLock>,
        crate::postgres::Shop::new(),
        {"tables": ["users", "select"], "rows_per_table": 20},
        points: 5,
        old: [include_str!("steps/v1/row_lock.postgres.json")],
    );
}
