//! What a new user does: run an example, look during the hold, look again afterwards.

use nix::sys::signal::Signal;

use crate::world::experiment::{postgres_entry, skill};
use crate::world::{Chaos, Experiment, OwnServer, Session, Shop, assert_same, server_url};

/// An experiment file as published for older versions; only its URL is ours.
const EXAMPLE: &str = r#"experiments:
  - name: "postgres-load-test"
    target: database
    target_config:
      connection_url: "URL"
      db_type: postgres
    skills:
      - skill_name: "db.insert_load"
        params:
          rows_per_table: 10000
          tables: ["users", "orders"]
      - skill_name: "db.config_change"
        params:
          changes:
            - param: "work_mem"
              value: "4MB"
    duration: "5m"
    parallel: false
"#;

const ROWS: u32 = 100_000;

#[test]
fn the_published_example_runs_with_its_parameters_and_everything_comes_back() {
    let Some(server) = OwnServer::start() else { return };
    let shop = Shop::create(&server.url(), ROWS);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let experiment = Experiment::from_text(&EXAMPLE.replace("URL", &shop.url()));

    let running = chaos.spawn(&experiment);
    running.wait_for_records("hold_started", 1);
    assert_eq!(shop.count("users"), i64::from(ROWS) + 10_000);
    assert_eq!(shop.count("orders"), i64::from(ROWS) + 10_000);
    let pinned = server.session().value(
        "SELECT setting FROM pg_file_settings WHERE name = 'work_mem' AND sourcefile LIKE '%auto.conf'",
    );
    assert_eq!(pinned, "4MB");
    running.signal(Signal::SIGINT);

    running.wait().assert_code(130);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_run_that_ends_by_itself_reports_every_step_as_verified() {
    let Some(server) = OwnServer::start() else { return };
    let shop = Shop::create(&server.url(), ROWS);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let text = EXAMPLE.replace("URL", &shop.url()).replace("5m", "1s").replace("4MB", "7MB");

    let running = chaos.spawn(&Experiment::from_text(&text));
    running.wait_for_records("hold_started", 1);
    assert_eq!(server.session().value("SHOW work_mem"), "7MB");
    let ended = running.wait();

    ended.assert_code(0);
    let report = ended.json();
    assert!(report["schema_version"].is_number(), "{report}");
    assert!(report["run_id"].is_string(), "{report}");
    assert_eq!(report["exit_code"], 0);
    assert_eq!(report["experiments"][0]["name"], "postgres-load-test");
    let steps = ended.steps();
    assert_eq!(steps.len(), 3, "{report}");
    for step in &steps {
        assert_eq!(step["state"], "reverted", "{step}");
        assert_eq!(step["verified"], true, "{step}");
        assert_eq!(step["conflicts"].as_array().map(Vec::len), Some(0), "{step}");
        for key in ["fault", "target", "summary", "injected_at", "reverted_at"] {
            assert!(step[key].is_string(), "`{key}` is missing in {step}");
        }
        assert!(step["effect"].is_object(), "{step}");
    }
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn the_report_of_an_old_run_is_the_report_of_the_run() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 100);
    let chaos = Chaos::new();
    let skills = skill("db.insert_load", "{rows_per_table: 10, tables: [users]}");
    let ended = chaos.run(&Experiment::on_postgres(&shop.url(), "200ms", &skills));
    ended.assert_code(0);

    let run = ended.json()["run_id"].as_str().unwrap().to_owned();
    let again = chaos.call(&["report", &run, "--output", "json"]);
    again.assert_code(0);
    assert_eq!(again.json(), ended.json());
}

#[test]
fn two_experiments_on_two_databases_touch_each_its_own() {
    let Some(url) = server_url() else { return };
    let (one, two) = (Shop::create(&url, 200), Shop::create(&url, 200));
    let chaos = Chaos::new();
    let (before_one, before_two) = (one.checksum(), two.checksum());
    let entry = |name, shop: &Shop, rows| {
        let skills = skill("db.insert_load", &format!("{{rows_per_table: {rows}, tables: [users]}}"));
        postgres_entry(name, &shop.url(), "1s", &skills)
    };
    let text = format!("experiments:\n{}{}", entry("one", &one, 11), entry("two", &two, 22));

    let running = chaos.spawn(&Experiment::from_text(&text));
    running.wait_for_records("hold_started", 1);
    assert_eq!((one.count("users"), two.count("users")), (211, 200));
    running.wait_for_records("hold_started", 2);
    assert_eq!((one.count("users"), two.count("users")), (200, 222));

    running.wait().assert_code(0);
    assert_eq!((one.checksum(), two.checksum()), (before_one, before_two));
    chaos.assert_clean();
}

#[test]
fn two_runs_at_once_on_one_database_both_restore() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 500);
    let before = shop.checksum();
    let (first, second) = (Chaos::new(), Chaos::new());
    let insert = skill("db.insert_load", "{rows_per_table: 100, tables: [orders]}");
    let update = skill("db.update_load", "{rows: 50, tables: [users]}");

    let one = first.spawn(&Experiment::on_postgres(&shop.url(), "2s", &insert));
    let two = second.spawn(&Experiment::on_postgres(&shop.url(), "1s", &update));
    one.wait_for_records("hold_started", 1);
    two.wait_for_records("hold_started", 1);
    assert_eq!(shop.count("orders"), 600);

    two.wait().assert_code(0);
    one.wait().assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
}

#[test]
fn two_runs_of_one_user_at_once_both_restore() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 500);
    let before = shop.checksum();
    let chaos = Chaos::new();
    let skills = |table| skill("db.insert_load", &format!("{{rows_per_table: 100, tables: [{table}]}}"));

    let one = chaos.spawn(&Experiment::on_postgres(&shop.url(), "2s", &skills("orders")));
    one.wait_for_records("hold_started", 1);
    let two = chaos.spawn(&Experiment::on_postgres(&shop.url(), "200ms", &skills("users")));

    two.wait().assert_code(0);
    one.wait().assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    chaos.assert_clean();
}

#[test]
fn a_dry_run_prints_the_steps_and_only_reads() {
    let Some(server) = OwnServer::start() else { return };
    let shop = Shop::create(&server.url(), 100);
    let before = shop.checksum();
    let chaos = Chaos::new();
    server.session().execute("ALTER SYSTEM SET log_statement = 'all'");
    server.session().execute("SELECT pg_reload_conf()");
    crate::world::wait_until("the server logs statements", || {
        Session::open(&server.url()).value("SHOW log_statement") == "all"
    });
    let logged_before = server.log_text().len();
    let text = EXAMPLE.replace("URL", &shop.url());
    let update =
        "      - skill_name: db.update_load\n        params: {rows: 5, tables: [users]}\n    duration";
    let experiment = Experiment::from_text(&text.replace("    duration", update));

    let ended = chaos.call(&["run", experiment.file(), "--dry-run"]);

    ended.assert_code(0);
    for word in
        ["db.insert_load", "db.config_change", "db.update_load", "users", "orders", "work_mem", "10000"]
    {
        assert!(
            ended.stdout.replace([',', '_', ' '], "").contains(&word.replace('_', "")),
            "no {word}: {}",
            ended.text()
        );
    }
    let log = server.log_text()[logged_before..].to_owned();
    assert!(log.contains("SELECT"), "the dry run did not look at the database:\n{log}");
    assert_only_reads(&log);
    server.session().execute("ALTER SYSTEM RESET log_statement");
    server.session().execute("SELECT pg_reload_conf()");
    crate::world::wait_until("the setting is back", || {
        Session::open(&server.url()).value("SHOW log_statement") == "none"
    });
    assert_same(&shop.checksum(), &before, "afterwards");
    assert_eq!(chaos.state.files(), Vec::<std::path::PathBuf>::new(), "a dry run keeps no journal");
}

/// Every statement in the log must be one that changes nothing.
fn assert_only_reads(log: &str) {
    // A statement of several lines goes on in lines that begin with a tab.
    for entry in log.replace("\n\t", " \u{1}").lines() {
        let logged = entry.split_once("LOG:  statement: ").or_else(|| entry.split_once("LOG:  execute "));
        let Some((_, statement)) = logged else { continue };
        let lines = statement.split('\u{1}').map(|line| line.split("--").next().unwrap_or_default());
        let statement = lines.collect::<String>().to_lowercase();
        // `s1: select …` names the prepared statement first.
        let statement = statement
            .split_once(": ")
            .filter(|(name, _)| !name.contains(' '))
            .map_or(&*statement, |(_, sql)| sql);
        let first = statement.split_whitespace().next().unwrap_or_default().trim_end_matches(';');
        assert!(READS.contains(&first), "`{first}` is not a read: {entry}");
        for word in WRITES {
            assert!(!statement.contains(word), "`{word}` is not a read: {entry}");
        }
    }
}

/// What a statement that only reads begins with.
const READS: [&str; 9] = ["select", "show", "begin", "start", "set", "commit", "rollback", "with", "values"];
/// What no statement that only reads holds.
const WRITES: [&str; 8] = [
    "insert into",
    "delete from",
    "create table",
    "create schema",
    "for update",
    "for no key update",
    "pg_advisory",
    "lock table",
];

#[test]
fn a_dry_run_against_a_stopped_server_cannot_be_done() {
    let chaos = Chaos::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = EXAMPLE.replace("URL", &format!("postgres://chaos:chaos@127.0.0.1:{port}/shop"));
    let started = std::time::Instant::now();
    let ended = chaos.call(&["run", Experiment::from_text(&text).file(), "--dry-run"]);
    ended.assert_code(2);
    assert!(started.elapsed().as_secs() < 5, "a refused port took {:?}", started.elapsed());
    assert!(ended.stderr.contains("127.0.0.1"), "the error does not say where: {}", ended.text());
}
