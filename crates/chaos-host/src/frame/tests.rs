//! What is found in answers of all kinds, and that a script survives its way through real shells.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::script::quote;

const NONCE: &str = "chaos-0123";

fn raw(stdout: &str, stderr: &str, status: Option<i32>) -> Raw {
    Raw { stdout: stdout.as_bytes().to_vec(), stderr: stderr.as_bytes().to_vec(), status }
}

fn read(stdout: &str) -> Result<(i32, String), String> {
    unwrap(&raw(stdout, "", Some(0)), &marks(NONCE))
        .map(|framed| (framed.status, String::from_utf8_lossy(&framed.stdout).into_owned()))
        .map_err(|error| format!("{error:?}").split('(').next().unwrap_or_default().to_owned())
}

#[test]
fn an_answer_is_found_between_all_kinds_of_noise() {
    let table = [
        ("\nchaos-0123-begin\nhello\nchaos-0123-end 0\n", Ok((0, "hello"))),
        ("\nchaos-0123-begin\n\nchaos-0123-end 7\n", Ok((7, ""))),
        ("Welcome!\n\x1b[2J\n\nchaos-0123-begin\nx\nchaos-0123-end 0\n", Ok((0, "x"))),
        ("\nchaos-0123-begin\nx\nchaos-0123-end 0\nGoodbye!\n", Ok((0, "x"))),
        ("\nchaos-0123-begin\nchaos-0123-end 5\n\nchaos-0123-end 0\n", Ok((0, "chaos-0123-end 5\n"))),
        ("", Err("NotRun")),
        ("This account is currently not available.\n", Err("NotRun")),
        ("\nchaos-9999-begin\nx\nchaos-9999-end 0\n", Err("NotRun")),
        ("\nchaos-0123-begin\nhel", Err("Unreachable")),
        ("\nchaos-0123-begin\nx\nchaos-0123-end 1", Err("Unreachable")),
        ("\nchaos-0123-begin\nx\nchaos-0123-end \n", Err("Unreachable")),
        ("\nchaos-0123-begin\nx\nchaos-0123-end 0x\n", Err("Unreachable")),
    ];
    for (stdout, expected) in table {
        let expected = expected.map(|(status, text)| (status, text.to_owned())).map_err(str::to_owned);
        assert_eq!(read(stdout), expected, "for {stdout:?}");
    }
}

#[test]
fn a_shell_that_was_killed_is_told_from_a_connection_that_was_cut() {
    let told = |status| match unwrap(&raw("\nchaos-0123-begin\n", "", status), &marks(NONCE)) {
        Err(HostError::Unreachable(failure)) => {
            failure.source.map(|source| source.to_string()).unwrap_or_default()
        }
        _ => panic!("this answer has no end"),
    };
    assert_eq!(told(None), "the connection was cut");
    assert_eq!(told(Some(137)), "its shell was ended by signal 9");
    assert_eq!(told(Some(2)), "its shell ended early with status 2");
}

/// Values that mean something to a shell, to `printf`, to a terminal or to us.
fn hostile() -> Vec<String> {
    let mut values: Vec<String> = [
        "",
        " ",
        "  two  spaces  ",
        "\t",
        "\n",
        "\n\n",
        "a\nb",
        "\r",
        "a\r\nb",
        "'",
        "''",
        "'''",
        "\"",
        "\"\"",
        "'\"'",
        "\\",
        "\\\\",
        "\\'",
        "\\n",
        "it's",
        "'; rm -rf / #",
        "\"; id; \"",
        "$(id)",
        "`id`",
        "$HOME",
        "${HOME}",
        "$$",
        "$((1+1))",
        "$'x'",
        "!",
        "!!",
        "!$",
        "#",
        "# x",
        ";",
        "&",
        "&&",
        "|",
        "||",
        ">",
        "<",
        ">>/tmp/x",
        "(",
        ")",
        "{",
        "}",
        "{a,b}",
        "[a]",
        "*",
        "?",
        "~",
        "~root",
        "-",
        "--",
        "-n",
        "-e",
        "-rf",
        "--help",
        "%s",
        "%n",
        "%d%%",
        "=",
        "a=b",
        "\u{1}",
        "\u{7}",
        "\u{8}",
        "\u{1b}[2J",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\u{feff}",
        "ünïcødé",
        "日本語",
        "🔥",
        "a\u{300}",
        "EOF",
        "'EOF'",
        "<<EOF\nid\nEOF",
        "\n}\nid\n{\n",
        "exit 0",
        "chaos-0123-end 0",
        "\nchaos-0123-end 0\n",
        "x' 'y",
        "x'$(id)'y",
        "/dev/../etc/passwd",
        ".",
        "..",
        "\\\n",
        "a\\",
        "^",
        "@",
        ",",
        ":",
    ]
    .map(str::to_owned)
    .into();
    values.push("'".repeat(1000));
    values.push("long ".repeat(20_000));
    values.push("\\'$`\"\n".repeat(500));
    values
}

fn through(shell: &[&str], script: &Script) -> Framed {
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    let text = wrap(script, NONCE);
    let mut stdin = child.stdin.take().expect("input");
    let writing = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("output");
    writing.join().expect("written").expect("written");
    let raw = Raw { stdout: output.stdout, stderr: output.stderr, status: output.status.code() };
    unwrap(&raw, &marks(NONCE)).expect("an answer")
}

fn shells() -> Vec<Vec<&'static str>> {
    let known: [&[&str]; 5] = [&["sh"], &["dash"], &["bash"], &["bash", "--posix"], &["busybox", "ash"]];
    let is_there = |shell: &&[&str]| {
        Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", ":"])
            .status()
            .is_ok_and(|status| status.success())
    };
    known.iter().copied().filter(is_there).map(<[&str]>::to_vec).collect()
}

#[test]
fn hostile_values_come_through_every_shell_as_they_are() {
    let values = hostile();
    assert!(values.len() >= 90, "{}", values.len());
    let script = Script::new("field \"$@\"; field \"$one\"").args(&values).set("one", values.concat());
    for shell in shells() {
        let output = through(&shell, &script);
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{shell:?}");
        let fields: Vec<_> = output.stdout.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        assert_eq!(fields.len(), values.len() + 2, "{shell:?}");
        for (field, value) in fields.iter().zip(values.iter().chain([&values.concat()])) {
            assert_eq!(field, value, "{shell:?}");
        }
    }
}

#[test]
fn every_mix_of_special_characters_is_one_word() {
    // All texts of up to three of these.
    let special = ['\'', '"', '\\', '$', '`', '\n', ' ', '-', '*', ';', 'a', 'é'];
    let mut values = vec![String::new()];
    for length in 0..3 {
        let longest: Vec<_> =
            values.iter().filter(|value| value.chars().count() == length).cloned().collect();
        values.extend(longest.iter().flat_map(|value| special.iter().map(move |c| format!("{value}{c}"))));
    }
    assert_eq!(values.len(), 1 + 12 + 144 + 1728);
    let output = through(&["sh"], &Script::new("field \"$@\"").args(&values));
    let told: Vec<_> = output.stdout.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    assert_eq!(told[..values.len()], values[..]);
}

#[test]
fn a_zero_byte_cannot_end_a_word_early() {
    assert_eq!(quote("a\0'b"), "'a'\\''b'");
}

#[test]
fn a_script_that_was_cut_anywhere_in_its_body_does_nothing() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let marker = folder.path().join("ran");
    let script = Script::new(": >\"$marker\"").set("marker", marker.display().to_string());
    let whole = wrap(&script, NONCE);
    let body = whole.find("\n(chaos_main)").expect("the call");
    for end in (0..=body).step_by(7).chain([body]) {
        let mut child = Command::new("sh")
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let _ = child.stdin.take().expect("input").write_all(&whole.as_bytes()[..end]);
        child.wait().expect("its end");
        assert!(!marker.exists(), "cut at {end} of {}", whole.len());
    }
}
