//! The processes of a made-up host.

use super::*;

fn made_up() -> Processes {
    let stat = |pid: u32, name: &str, state: char, parent: u32| {
        format!("{pid} ({name}) {state} {parent} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 {}", pid * 100)
    };
    let mut text = "file\x0042\0ours\x0077\0ours\x0075\0ours\x0070\0ours\x001\0".to_owned();
    let mut add = |stat: String, command: &str| {
        text.push_str(&format!("process\0{stat}\0/system.slice/x.service\0{command}\0"))
    };
    add(stat(1, "init", 'S', 0), "/sbin/init");
    add(stat(2, "kthreadd", 'S', 0), "");
    add(stat(9, "worker", 'S', 2), "");
    add(stat(42, "wor) S 1 (ker", 'S', 1), "wor ker");
    add(stat(43, "worker", 'S', 42), "worker --number 1");
    add(stat(44, "worker", 'Z', 42), "");
    add(stat(70, "sshd", 'S', 1), "sshd: listener");
    add(stat(75, "sshd-session", 'S', 70), "sshd: root@notty");
    add(stat(77, "sh", 'S', 75), "sh -s");
    // Waits for its next script.
    add(stat(78, "sudo", 'S', 75), "sudo -n /bin/sh -s");
    add(stat(79, "sh", 'S', 78), "/bin/sh -s");
    // Started by who is logged in there, too.
    add(stat(81, "bash", 'S', 75), "-bash");
    add(stat(80, "sh", 'S', 1), "sh /var/lib/chaos_20261121_1/watch.sh /var/lib/chaos_20261121_1");
    add(stat(82, "less", 'S', 1), "less /var/lib/chaos_20261121_1/done");
    // Somebody else's.
    add(stat(85, "sshd-session", 'S', 70), "sshd: root@pts/0");
    add(stat(86, "bash", 'S', 85), "-bash");
    Processes::parse(text.as_bytes(), Units::default())
}

fn numbers(pattern: &str, max: u16) -> Result<Vec<u32>, String> {
    let processes = made_up();
    let found = processes.select(&Selection::Name(pattern.to_owned(), max)).map_err(|error| error.chain())?;
    Ok(found.iter().map(|process| process.handle.pid).collect())
}

#[test]
fn a_name_with_parentheses_is_read_whole() {
    let processes = made_up();
    let odd = processes.list.iter().find(|process| process.handle.pid == 42).unwrap();
    assert_eq!((odd.handle.name.as_str(), odd.handle.start, odd.parent), ("wor) S 1 (ker", 4200, 1));
}

#[test]
fn a_pattern_matches_whole_names_or_whole_command_lines() {
    assert_eq!(numbers("worker", 5), Ok(vec![43]));
    assert_eq!(numbers("worker --number *", 5), Ok(vec![43]));
    assert_eq!(numbers("wor*", 5), Ok(vec![42, 43]));
    assert!(numbers("work", 5).unwrap_err().contains("matches none"));
}

#[test]
fn a_pattern_that_matches_more_than_its_bound_is_refused() {
    assert!(numbers("wor*", 1).unwrap_err().contains("it matches 2, and `max_matches` is 1"));
}

#[test]
fn processes_are_chosen_in_one_way_and_with_a_bound() {
    let text = |text| Some(text);
    for (unit, file, name, max) in [
        (None, None, None, None),
        (text("a"), text("/run/a.pid"), None, None),
        (None, None, text("a"), None),
        (None, None, text("a"), Some(0)),
        (None, None, text("a"), Some(101)),
        (None, None, text("*"), Some(3)),
        (None, None, text(""), Some(3)),
        (None, text("a.pid"), None, None),
        (text("a"), None, None, Some(1)),
        (text("a;b"), None, None, None),
        (text("a/b"), None, None, None),
        (None, text("/run/a\0b"), None, None),
        (None, text("/run/a.pid"), None, Some(1)),
        (None, None, text("a[b"), Some(1)),
        (None, text("/run/a.pid"), text("a"), Some(1)),
    ] {
        assert!(Selection::new(unit, file, name, max).is_err(), "{unit:?} {file:?} {name:?} {max:?}");
    }
}

#[test]
fn processes_chosen_in_two_ways_are_told_to_be_chosen_in_one() {
    let misfit = Selection::new(Some("a"), None, Some("a"), Some(1)).unwrap_err();
    assert_eq!(misfit.hint.as_deref(), Some("set only one of `unit`, `pid_file` and `name`"));
    let misfit = Selection::new(None, None, None, None).unwrap_err();
    assert_eq!(misfit.hint.as_deref(), Some("set one of `unit`, `pid_file` and `name`"));
}

#[test]
fn the_first_process_the_kernel_and_we_ourselves_are_left_alone() {
    let processes = made_up();
    let refusal = |pid| {
        let process = processes.list.iter().find(|process| process.handle.pid == pid).unwrap();
        processes.guard(&Guard::for_tests(&processes.units), process, "kill").err().map(|error| error.chain())
    };
    for pid in [1, 2, 9] {
        assert!(refusal(pid).is_some(), "{pid}");
    }
    for pid in [70, 75, 77, 78, 79] {
        assert!(refusal(pid).unwrap().contains("we are connected through it"), "{pid}");
    }
    assert!(refusal(80).unwrap().contains("it is the deadline of a fault"));
    assert_eq!([81, 82, 86].map(refusal), [None, None, None]);
}
