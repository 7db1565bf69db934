//! What goes wrong around a run: servers restart, connections die, networks are cut, disks fill up.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::world::experiment::skill;
use crate::world::{
    Chaos, Experiment, OwnServer, Proxy, Shop, assert_same, is_required, server, server_url, wait_until,
};

/// Two faults that change rows, so that both kinds of undo are tried.
fn writes() -> String {
    skill("db.insert_load", "{rows_per_table: 200, tables: [users]}")
        + &skill("db.update_load", "{rows: 100, tables: [orders]}")
}

#[test]
fn a_server_that_restarts_in_the_hold_is_restored() {
    let Some(server) = OwnServer::start() else { return };
    let mut shop = Shop::create(&server.url(), 300);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let skills = writes() + &skill("db.config_change", "{changes: [{param: work_mem, value: 9MB}]}");

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "4s", &skills));
    running.wait_for_records("hold_started", 1);
    server.restart();

    running.wait().assert_code(0);
    shop.reconnect();
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_server_that_crashes_in_the_hold_is_restored() {
    let Some(server) = OwnServer::start() else { return };
    let mut shop = Shop::create(&server.url(), 300);
    let chaos = Chaos::new();
    let before = shop.checksum();

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "4s", &writes()));
    running.wait_for_records("hold_started", 1);
    server.stop();
    server.boot();

    running.wait().assert_code(0);
    shop.reconnect();
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn terminated_backends_do_not_stop_the_rollback() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 300);
    let chaos = Chaos::new();
    let before = shop.checksum();

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "2s", &writes()));
    running.wait_for_records("hold_started", 1);
    shop.session.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );

    running.wait().assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_network_that_is_cut_for_a_moment_is_survived() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 300);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let proxy = Proxy::to(shop.address());

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url_through(proxy.port()), "2s", &writes()));
    running.wait_for_records("hold_started", 1);
    proxy.cut();
    running.wait_for_records("rollback_started", 1);
    std::thread::sleep(std::time::Duration::from_millis(200));
    proxy.heal();

    running.wait().assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_network_that_stays_cut_leaves_a_run_that_can_be_recovered() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 300);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let proxy = Proxy::to(shop.address());

    let experiment = Experiment::on_postgres(&shop.url_through(proxy.port()), "1s", &writes());
    let running = chaos.spawn_with(&experiment, &["--no-guardian"], &[]);
    running.wait_for_records("hold_started", 1);
    proxy.cut();
    running.wait_for_records("revert_failed", 1);
    // Nobody wants to wait for all attempts: two signals leave it.
    running.signal(Signal::SIGINT);
    running.signal(Signal::SIGINT);

    running.wait().assert_code(5);
    proxy.heal();
    chaos.call(&["recover", "--all"]).assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_network_that_falls_silent_in_mid_insert_ends_in_time() {
    let Some(url) = server_url() else { return };
    let shop = Shop::create(&url, 300);
    let chaos = Chaos::new();
    let before = shop.checksum();
    let proxy = Proxy::to(shop.address());
    let skills = skill("db.insert_load", "{rows_per_table: 1000000, tables: [users]}");

    let experiment = Experiment::on_postgres(&shop.url_through(proxy.port()), "1s", &skills);
    let running = chaos.spawn_with(&experiment, &["--no-guardian"], &[]);
    running.wait_for_records("armed", 1);
    proxy.silence();
    running.signal(Signal::SIGTERM);
    // Nothing of the fault was committed, but that cannot be seen through a silent network.
    running.wait_for_records("revert_failed", 1);
    running.signal(Signal::SIGTERM);

    running.wait().assert_code(5);
    proxy.cut();
    proxy.heal();
    chaos.call(&["recover", "--all"]).assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    chaos.assert_clean();
}

#[test]
fn a_full_disk_before_the_first_effect_means_no_effect() {
    let Some(url) = server_url() else { return };
    let chaos = Chaos::new();
    let Some(disk) = SmallDisk::mount(&chaos) else { return };
    let shop = Shop::create(&url, 300);
    let before = shop.checksum();
    disk.fill();

    let ended = chaos.run(&Experiment::on_postgres(&shop.url(), "1s", &writes()));

    ended.assert_code(2);
    // The error says all there is to say; no line of the log stands in front of it.
    assert!(ended.stderr.contains("error[CH0402]") && !ended.stderr.contains("WARN"), "{}", ended.stderr);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
}

#[test]
fn a_disk_that_fills_up_in_the_hold_does_not_stop_the_rollback() {
    let Some(url) = server_url() else { return };
    let chaos = Chaos::new();
    let Some(disk) = SmallDisk::mount(&chaos) else { return };
    let shop = Shop::create(&url, 300);
    let before = shop.checksum();

    let running = chaos.spawn(&Experiment::on_postgres(&shop.url(), "2s", &writes()));
    running.wait_for_records("hold_started", 1);
    disk.fill();

    running.wait().assert_code(0);
    assert_same(&shop.checksum(), &before, "afterwards");
    shop.assert_no_residue();
    disk.give_back();
    chaos.assert_clean();
}

/// A disk of a few hundred KiB in the place of a state directory. It is unmounted with this value.
struct SmallDisk {
    mounted: std::path::PathBuf,
}

impl SmallDisk {
    fn mount(chaos: &Chaos) -> Option<Self> {
        let mounted = chaos.state.path().to_owned();
        let is_mounted = server::is_root()
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"])
                .arg(&mounted)
                .status()
                .is_ok_and(|status| status.success());
        if is_mounted {
            return Some(Self { mounted });
        }
        assert!(!is_required(), "only root can mount a small disk");
        println!("SKIPPED: only root can mount a small disk");
        None
    }

    /// Leaves not a byte.
    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.mounted.join("filler")).unwrap();
        for size in [64 * 1024, 1024, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn give_back(&self) {
        std::fs::remove_file(self.mounted.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A process that still looks at it keeps it busy for a moment.
        wait_until("the small disk is unmounted", || {
            Command::new("umount").arg(&self.mounted).status().is_ok_and(|status| status.success())
        });
    }
}
