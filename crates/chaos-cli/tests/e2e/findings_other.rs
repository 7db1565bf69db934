//! Settings, reading load, failures and files: what tools of this kind get wrong, each shown to be right here.

use crate::world::experiment::skill;
use crate::world::{Chaos, Experiment, OwnServer, Shop, assert_same, server_url};

#[test]
fn a_setting_that_was_not_pinned_is_not_pinned_afterwards() {
    let Some(server) = OwnServer::start() else { return };
    let shop = Shop::create(&server.url(), 5);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill(
        "db.config_change",
        "{changes: [{param: work_mem, value: 9MB}, {param: random_page_cost, value: 2.5}]}",
    );

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "1s", &skills));
    running.wait_for_records("hold_started", 1);
    assert_eq!(server.session().value("SHOW work_mem"), "9MB");
    assert_eq!(server.session().value("SHOW random_page_cost"), "2.5");

    running.wait().assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    chaos.assert_clean();
}

#[test]
fn a_setting_that_was_pinned_gets_its_old_entry_back() {
    let Some(server) = OwnServer::start() else { return };
    server.session().execute("ALTER SYSTEM SET work_mem = '5MB'");
    server.session().execute("SELECT pg_reload_conf()");
    crate::world::wait_until("the setting is there", || server.session().value("SHOW work_mem") == "5MB");
    let shop = Shop::create(&server.url(), 5);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.config_change", "{changes: [{param: work_mem, value: 9MB}]}");

    chaos.run(&Experiment::on_postgres(&shop.url(), "300ms", &skills)).assert_code(0);

    assert_same(&shop.checksum(), &before, "afterwards");
    chaos.assert_clean();
}

#[test]
fn a_setting_that_someone_else_changed_meanwhile_is_a_conflict() {
    let Some(server) = OwnServer::start() else { return };
    let shop = Shop::create(&server.url(), 5);
    let chaos = Chaos::new();
    let skills = skill("db.config_change", "{changes: [{param: work_mem, value: 9MB}]}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "1s", &skills));
    running.wait_for_records("hold_started", 1);
    server.session().execute("ALTER SYSTEM SET work_mem = '11MB'");
    running.wait().assert_code(5);

    let entry = "SELECT setting FROM pg_file_settings WHERE name = 'work_mem'";
    assert_eq!(server.session().value(entry), "11MB");
    chaos.call(&["recover", "--all", "--accept-conflicts"]).assert_code(0);
    assert_eq!(server.session().value(entry), "11MB");
    chaos.assert_clean();
}

#[test]
fn settings_that_are_dangerous_unknown_or_need_a_restart_are_refused() {
    let Some(server) = OwnServer::start() else { return };
    let shop = Shop::create(&server.url(), 5);
    let chaos = Chaos::new();
    let before = shop.checksum();
    for (param, value) in [
        ("max_connections", "7"),
        ("fsync", "off"),
        ("listen_addresses", "''"),
        ("bad_name", "1"),
        ("work_mem; DROP TABLE users", "1"),
        ("work_mem", "'much'"),
    ] {
        // The good change before it must not be done either.
        let changes = format!(
            "{{changes: [{{param: maintenance_work_mem, value: 65MB}}, {{param: '{param}', value: {value}}}]}}"
        );
        let ended =
            chaos.run(&Experiment::on_postgres(&shop.url(), "300ms", &skill("db.config_change", &changes)));
        assert!(matches!(ended.code, Some(2 | 3)), "{param}: {}", ended.text());
        assert!(ended.stderr.contains(param), "{param}: {}", ended.text());
        assert_same(&shop.checksum(), &before, param);
    }
    chaos.assert_clean();
}

#[test]
fn a_reading_load_runs_side_by_side_and_tells_its_latencies() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 2000);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills =
        skill("db.select_load", "{query_count: 400, connections: 3, tables: [users, orders], rate: 100}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "2s", &skills));
    running.wait_for_records("hold_started", 1);
    crate::world::wait_until("three connections read", || shop.backends().len() >= 3);
    let ended = running.wait();

    ended.assert_code(0);
    let measured = ended.steps()[0]["measured"].clone();
    assert!(measured.to_string().contains("p99"), "{}", ended.text());
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn failed_queries_are_counted_as_failed() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 2000);
    let chaos = Chaos::new();
    let skills = skill("db.select_load", "{query_count: 100000, connections: 2, tables: [users], rate: 50}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "2s", &skills));
    running.wait_for_records("hold_started", 1);
    shop.session.execute("ALTER TABLE users RENAME TO people");
    std::thread::sleep(std::time::Duration::from_millis(700));
    shop.session.execute("ALTER TABLE people RENAME TO users");
    let ended = running.wait();

    let measured = ended.steps()[0]["measured"].clone();
    let failed = measured.as_object().unwrap().iter().find(|(key, _)| key.contains("failed"));
    assert!(
        failed.is_some_and(|(_, value)| value.as_u64().is_some_and(|count| count > 0)),
        "{}",
        ended.text()
    );
}

#[test]
fn an_experiment_that_fails_does_not_exit_zero() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 5);
    let chaos = Chaos::new();
    let skills = skill("db.insert_load", "{rows_per_table: 5, tables: [nothing_here]}");
    let ended = chaos.run(&Experiment::on_postgres(&shop.url(), "300ms", &skills));
    ended.assert_code(2);
    assert!(ended.stderr.contains("nothing_here"), "{}", ended.text());
}

#[test]
fn a_wrong_password_a_missing_database_and_a_refused_port_fail_at_once() {
    let Some(url) = server_url() else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let skills = skill("db.insert_load", "{rows_per_table: 5}");
    for url in [
        url.replace("chaos:chaos@", "chaos:wrong@"),
        url.replace("/postgres", "/no_such_database"),
        format!("postgres://chaos:chaos@127.0.0.1:{port}/postgres"),
    ] {
        let started = std::time::Instant::now();
        let ended = Chaos::new().run(&Experiment::on_postgres(&url, "300ms", &skills));
        ended.assert_code(2);
        assert!(started.elapsed().as_secs() < 5, "{url} took {:?}", started.elapsed());
        assert!(!ended.text().contains(":wrong"), "a password is shown: {}", ended.text());
    }
}

#[test]
fn a_misspelt_parameter_is_an_error_with_place_and_suggestion() {
    let experiment = Experiment::on_postgres(
        "postgres://localhost/x",
        "1s",
        &skill("db.insert_load", "{rows_per_tabel: 5}"),
    );
    let ended = Chaos::new().run(&experiment);
    ended.assert_code(2);
    for word in ["rows_per_tabel", "rows_per_table", "experiment.yaml"] {
        assert!(ended.stderr.contains(word), "no {word}: {}", ended.text());
    }
}

#[test]
fn discovery_works_on_a_database_that_has_tables() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 5);
    let ended = Chaos::new().call(&["discover", "--url", &shop.url(), "--output", "json"]);
    ended.assert_code(0);
    for word in ["users", "orders", "order_status", "user_id"] {
        assert!(ended.stdout.contains(word), "no {word}: {}", ended.text());
    }
}

#[test]
fn count_repeats_a_fault_and_filters_narrow_it() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 100);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = "- skill_name: db.insert_load\n  count: 3\n  params: {rows_per_table: 7}\n";
    let experiment = Experiment::on_postgres(&shop.url(), "1s", skills);
    let text =
        std::fs::read_to_string(experiment.file()).unwrap() + "    resource_filters: ['^public\\.orders$']\n";

    let running = chaos.spawn(&Experiment::from_text(&text));
    running.wait_for_records("hold_started", 1);
    assert_eq!((shop.count("users"), shop.count("orders")), (100, 121));

    running.wait().assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    chaos.assert_clean();
}

#[test]
fn parallel_faults_are_all_there_during_one_hold() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 100);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.insert_load", "{rows_per_table: 7, tables: [orders]}")
        + &skill("db.update_load", "{rows: 7, tables: [users]}")
        + &skill("db.select_load", "{query_count: 20, tables: [users]}");
    let experiment = Experiment::on_postgres(&shop.url(), "1s", &skills);
    let text = std::fs::read_to_string(experiment.file()).unwrap() + "    parallel: true\n";

    let running = chaos.spawn(&Experiment::from_text(&text));
    running.wait_for_records("hold_started", 1);
    assert_eq!(shop.count("orders"), 107);

    running.wait().assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_run_that_died_is_on_disk_and_refuses_another_one_until_recovered() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 100);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let experiment = Experiment::on_postgres(
        &shop.url(),
        "5m",
        &skill("db.insert_load", "{rows_per_table: 300, tables: [users]}"),
    );

    let running = chaos.spawn_with(&experiment, &["--no-guardian"], &[]);
    running.wait_for_records("hold_started", 1);
    running.signal(nix::sys::signal::Signal::SIGKILL);
    running.wait();
    assert_eq!(shop.count("users"), 400, "nobody was there to undo it");

    let status = chaos.call(&["status", "--output", "json"]);
    status.assert_code(5);
    assert_eq!(status.json()["runs"].as_array().map(Vec::len), Some(1));
    chaos.call(&["recover", "--all"]).assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}
