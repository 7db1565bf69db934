//! The harness itself: what it must notice, it notices. Otherwise the other tests could not fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::world::sqlite::SqliteShop;
use crate::world::{OwnServer, Proxy, Session, Shop, assert_same, server_url};

#[test]
fn the_checksum_sees_one_changed_value_in_any_table() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 100);
    let before = shop.checksum();
    assert_same(&shop.checksum(), &before, "afterwards");
    for change in [
        "UPDATE users SET nickname = '' WHERE id = 3",
        "UPDATE orders SET details = '{\"a\": 1}' WHERE id = 5",
        "DELETE FROM orders WHERE id = 6",
        "CREATE VIEW extra AS SELECT 1",
        "ALTER TABLE users ALTER name DROP NOT NULL, ADD CHECK (name <> '')",
    ] {
        shop.session.execute("BEGIN");
        shop.session.execute(change);
        assert_ne!(shop.checksum(), before, "{change}");
        shop.session.execute("ROLLBACK");
    }
    assert_same(&shop.checksum(), &before, "afterwards");
}

#[test]
fn the_checksum_sees_a_pinned_setting_even_when_its_value_is_the_same() {
    let Some(server) = OwnServer::start() else { return };
    let shop = Shop::create(&server.url(), 5);
    let before = shop.checksum();
    shop.session.execute("ALTER SYSTEM SET work_mem = '4MB'");
    assert_ne!(shop.checksum(), before);
}

#[test]
fn residue_of_every_kind_is_noticed() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 5);
    shop.assert_no_residue();
    for (leave, remove) in [
        ("CREATE SCHEMA chaos_left", "DROP SCHEMA chaos_left"),
        ("CREATE TABLE chaos_left ()", "DROP TABLE chaos_left"),
        ("SELECT pg_advisory_lock(1, 2)", "SELECT pg_advisory_unlock(1, 2)"),
    ] {
        shop.session.execute(leave);
        let noticed = catch_unwind(AssertUnwindSafe(|| shop.assert_no_residue())).is_err();
        assert!(noticed, "{leave}");
        shop.session.execute(remove);
    }
    shop.assert_no_residue();
}

#[test]
fn the_checksum_of_a_sqlite_file_sees_types_and_nulls() {
    let shop = SqliteShop::create(20);
    let before = shop.checksum();
    for change in ["UPDATE users SET nickname = NULL WHERE id = 2", "UPDATE orders SET note = 0 WHERE id = 2"]
    {
        let connection = shop.connection();
        connection.execute_batch(change).unwrap();
        assert_ne!(shop.checksum(), before, "{change}");
        connection
            .execute_batch(
                "UPDATE users SET nickname = 'O''N2' WHERE id = 2; UPDATE orders SET note = '' WHERE id = 2",
            )
            .unwrap();
        assert_same(&shop.checksum(), &before, "afterwards");
    }
}

#[test]
fn a_proxy_that_is_cut_ends_sessions_and_heals() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 5);
    let proxy = Proxy::to(shop.address());
    let through = shop.url_through(proxy.port());
    let session = Session::open(&through);
    assert_eq!(session.number("SELECT count(*) FROM users"), 5);
    proxy.cut();
    assert!(session.try_execute("SELECT 1").is_err());
    assert!(Session::try_open(&through).is_err());
    proxy.heal();
    assert_eq!(Session::open(&through).number("SELECT count(*) FROM users"), 5);
}
