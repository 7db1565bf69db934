//! Mistakes in the parameters of faults are told before anything is asked, with the place where they stand.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;

use crate::world::Chaos;

/// Every mistake by itself: the fault, what is written below `params`, at which character of that, and what is said.
const MISTAKES: &[(&str, &str, usize, &str)] = &[
    ("server.disk_fill", "{size: 1GB, fill_percent: 90}", 27, "`fill_percent` excludes `size`, found `90`"),
    (
        "server.disk_fill",
        "{target_mount: tmp/x}",
        16,
        "`target_mount` must be an absolute path, found `tmp/x`",
    ),
    (
        "server.disk_fill",
        "{target_mount: \"/a\\0b\"}",
        16,
        "`target_mount` holds a zero byte, found `/a\\u{0}b`",
    ),
    (
        "server.disk_fill",
        "{size: 99999999999999999999}",
        8,
        "`99999999999999999999` is more than can be counted",
    ),
    (
        "server.disk_fill",
        "{size: 9223372036854775808}",
        8,
        "`9223372036854775808` is more than can be counted",
    ),
    (
        "server.disk_fill",
        "{fill_percent: 101}",
        16,
        "`101` is no share; write a whole number of percent, 1 to 100",
    ),
    ("server.disk_fill", "{leave_free: 99.5MiB}", 14, "at least 100 MiB, found `99.5MiB`"),
    ("server.inode_fill", "{inodes: 5, leave_free: 9}", 25, "`leave_free` excludes `inodes`, found `9`"),
    (
        "server.inode_fill",
        "{target_mount: ../tmp}",
        16,
        "`target_mount` must be an absolute path, found `../tmp`",
    ),
    (
        "server.permission_change",
        "{paths: [/ok, etc/x]}",
        15,
        "each path in `paths` must be absolute, found `etc/x`",
    ),
    (
        "server.permission_change",
        "{paths: [/etc/../x]}",
        10,
        "no path in `paths` may hold an empty part, `.` or `..`",
    ),
    ("server.permission_change", "{mode: \"899\"}", 8, "`899` is no mode"),
    ("server.permission_change", "{max_paths: 0}", 13, "`max_paths` must be 1 to 20000, found `0`"),
    (
        "server.service_stop",
        "{services: [ok, a/b]}",
        17,
        "`services` must name a service: such a name holds letters",
    ),
    ("server.service_stop", "{services: [\"\"]}", 13, "found nothing"),
    ("server.process_kill", "{}", 1, "nothing says which processes are meant"),
    ("server.process_pause", "{}", 1, "nothing says which processes are meant"),
    ("server.process_kill", "{unit: \"a\\nb\"}", 8, "found `a\\nb`"),
    ("server.process_pause", "{unit: a, pid_file: /p}", 21, "`pid_file` excludes `unit`, found `/p`"),
    ("server.process_pause", "{name: a, max_matches: 0}", 24, "`max_matches` must be 1 to 100, found `0`"),
    ("server.cpu_stress", "{workers: 0}", 11, "`workers` must be at least 1, found `0`"),
    ("server.memory_stress", "{memory: 1M, percent: 5}", 23, "`percent` excludes `memory`, found `5`"),
    (
        "server.memory_stress",
        "{oom_reserve: 65000000}",
        15,
        "`oom_reserve` must be at least 64 MiB, found `65000000`",
    ),
    ("server.io_stress", "{path: var}", 8, "`path` must be an absolute path, found `var`"),
    ("server.io_stress", "{size: 64.0001GiB}", 8, "`size` must be at most 64 GiB, found `64.0001GiB`"),
    ("server.fd_exhaust", "{max: 0}", 7, "`max` must be 1 to 2000000, found `0`"),
    ("server.pid_exhaust", "{max: 50001}", 7, "`max` must be 1 to 50000, found `50001`"),
    ("server.port_block", "{ports: []}", 9, "`ports` is empty"),
    ("server.port_block", "{ports: [80, 0]}", 14, "expected a whole number from 1 to 65535, found `0`"),
    (
        "server.port_block",
        "{ports: [53], direction: out}",
        10,
        "those of the host's own name service, found `53`",
    ),
    (
        "server.network_partition",
        "{peers: [db, \"a b\"]}",
        14,
        "host names, addresses or networks, found `a b`",
    ),
    (
        "server.network_partition",
        "{peers: [127.0.0.1]}",
        10,
        "must not hold the host itself, found `127.0.0.1`",
    ),
    ("server.network_partition", "{cidrs: [db]}", 10, "`cidrs` must hold networks, found `db`"),
    (
        "server.network_latency",
        "{jitter: 200ms}",
        10,
        "`jitter` must not be more than `delay`, 100ms, found `200ms`",
    ),
    ("server.network_loss", "{percent: 99.5}", 11, "found `99.5`"),
    ("server.network_bandwidth", "{rate: 1mbit, burst: 1GiB}", 22, "64 MiB at most, found `1GiB`"),
    ("server.network_bandwidth", "{rate: 99999999999999999999}", 8, "`99999999999999999999`"),
    ("server.network_duplicate", "{interface: a/b}", 13, "`interface` must be a name of 1 to 15 letters"),
    ("server.dns_failure", "{names: [a, b/c]}", 13, "`names` must hold host names, found `b/c`"),
    ("server.dns_failure", "{mode: wrong_answer}", 8, "`mode` must not be `wrong_answer` for every name"),
    ("server.reboot", "{come_back_within: 20m}", 20, "`come_back_within` must be 10s to 15m, found `20m`"),
    (
        "server.container_kill",
        "{signal: STOP}",
        10,
        "`signal` must be a signal that ends a process, found `STOP`",
    ),
    ("server.container_stop", "{grace_seconds: 21}", 17, "`grace_seconds` must be 0 to 20, found `21`"),
    ("db.insert_load", "{tables: [ok, \"\"]}", 15, "`tables` must hold names, each with something in it"),
    ("db.update_load", "{columns: [\" \"]}", 12, "`columns` must hold names, each with something in it"),
    ("db.config_change", "{changes: [{param: fsync, value: off}]}", 20, "this setting is never changed"),
];

/// Before what is written below `params`.
const INDENT: &str = "    ";

/// Writes an experiment with this mistake; what cannot be asked without being noticed listens at `port`.
fn experiment(number: usize, fault: &str, params: &str, port: u16) -> String {
    let target = match fault.starts_with("db.") {
        true => format!(
            "database, target_config: {{connection_url: 'postgres://127.0.0.1:{port}/x', db_type: postgres}}"
        ),
        false => format!("server, target_config: {{hosts: [{{host: 127.0.0.1, port: {port}}}]}}"),
    };
    let skill = format!("{{skill_name: {fault}, params:\n{INDENT}{params}}}");
    format!("- {{name: e{number}, duration: 1s, target: {target}, skills: [{skill}]}}\n")
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Sees that nobody came to this port.
fn assert_alone(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "somebody was asked");
}

#[test]
fn every_mistake_in_parameters_is_told_at_its_place_and_nobody_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut text, mut places) = ("experiments:\n".to_owned(), Vec::new());
    for (number, (fault, params, ..)) in MISTAKES.iter().enumerate() {
        text.push_str(&experiment(number, fault, params, port));
        places.push(text.lines().count());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "mistakes.yaml", &text);
    // A file with a mistake is what `validate` looks for, and nothing that `run` can use.
    let commands: [(&[&str], i32); 3] =
        [(&["validate", &file], 1), (&["run", &file], 2), (&["run", &file, "--dry-run"], 2)];
    for (arguments, code) in commands {
        let chaos = Chaos::new();
        let ended = chaos.call(arguments);
        ended.assert_code(code);
        assert!(ended.stderr.contains(&format!("{} mistakes", MISTAKES.len())), "{}", ended.text());
        // Messages are folded at the width of a terminal.
        let said = ended.stderr.replace('\n', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        for ((fault, params, column, message), line) in MISTAKES.iter().zip(&places) {
            let place = format!("mistakes.yaml:{line}:{}]", INDENT.len() + column);
            assert!(said.contains(&place), "{fault} {params}: no {place} in {}", ended.text());
            assert!(said.contains(message), "{fault} {params}: no {message:?} in {}", ended.text());
        }
        chaos.assert_clean();
    }
    assert_alone(&listener);
}

#[test]
fn a_file_that_cannot_be_read_is_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let good = write(folder.path(), "policy.yaml", "max_rows: 1\n");
    let bad = write(folder.path(), "bad.yaml", "max_rowz: 1\n");
    let missing = folder.path().join("none.yaml").display().to_string();
    let directory = folder.path().display().to_string();
    let chaos = Chaos::new();
    for (files, code) in [
        (vec![&good], 0),
        (vec![&bad, &good], 1),
        (vec![&missing], 2),
        (vec![&directory], 2),
        (vec![&good, &missing], 2),
        (vec![&missing, &bad], 2),
    ] {
        let arguments: Vec<&str> =
            ["validate"].into_iter().chain(files.into_iter().map(String::as_str)).collect();
        let ended = chaos.call(&arguments);
        ended.assert_code(code);
        assert_eq!(ended.stderr.contains("the file cannot be read: "), code == 2, "{}", ended.text());
    }
}
