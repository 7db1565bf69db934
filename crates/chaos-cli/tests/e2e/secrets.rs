//! A password is seen by the server and by nobody else.

use nix::sys::signal::Signal;

use crate::world::experiment::skill;
use crate::world::{Chaos, Experiment, OwnServer, Shop, assert_same, processes};

/// A word that no output contains by chance.
const PASSWORD: &str = "tangerine-4711";

#[test]
fn a_password_is_in_no_output_no_journal_and_no_process_list() {
    let Some(server) = OwnServer::start() else { return };
    server.session().execute(&format!("ALTER ROLE chaos PASSWORD '{PASSWORD}'"));
    let url = server.url().replace("chaos:chaos@", &format!("chaos:{PASSWORD}@"));
    let shop = Shop::create(&url, 50);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.insert_load", "{rows_per_table: 20, tables: [users]}");
    let experiment = Experiment::on_postgres(&shop.url(), "5m", &skills);

    let running = chaos.spawn_with(&experiment, &["-vv"], &[]);
    running.wait_for_records("hold_started", 1);
    let processes = processes::of_state_dir(&chaos.state);
    assert!(processes.len() >= 2, "the run and its guardian: {processes:?}");
    for pid in processes {
        let text = processes::visible_text(pid);
        assert!(!text.contains(PASSWORD), "process {pid} shows the password: {text}");
    }
    running.signal(Signal::SIGINT);
    let ended = running.wait();

    ended.assert_code(130);
    assert!(!ended.text().contains(PASSWORD), "{}", ended.text());
    let journals = chaos.state.journals();
    assert!(journals.contains("intended") && !journals.contains(PASSWORD), "{journals}");
    for command in ["status", "history"] {
        let ended = chaos.call(&[command]);
        assert!(!ended.text().contains(PASSWORD), "{}", ended.text());
    }
    assert_same(&shop.checksum(), &before, "afterwards");
    chaos.assert_clean();
}

#[test]
fn a_password_from_the_environment_reaches_the_guardian_unseen() {
    let Some(server) = OwnServer::start() else { return };
    server.session().execute(&format!("ALTER ROLE chaos PASSWORD '{PASSWORD}'"));
    let url = server.url().replace("chaos:chaos@", &format!("chaos:{PASSWORD}@"));
    let shop = Shop::create(&url, 50);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = skill("db.update_load", "{rows: 20, tables: [users]}");
    let without_password = shop.url().replace(&format!(":{PASSWORD}@"), ":${SHOP_PASSWORD}@");
    let experiment = Experiment::on_postgres(&without_password, "5m", &skills);

    let running = chaos.spawn_with(&experiment, &[], &[("SHOP_PASSWORD", PASSWORD)]);
    running.wait_for_records("hold_started", 1);
    let run = running.pid();
    let guardians: Vec<i32> =
        processes::of_state_dir(&chaos.state).into_iter().filter(|pid| *pid != run).collect();
    assert_eq!(guardians.len(), 1);
    let text = processes::visible_text(guardians[0]);
    assert!(!text.contains(PASSWORD), "the guardian shows the password: {text}");
    running.signal(Signal::SIGKILL);
    running.wait();

    chaos.wait_until_clean();
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}
