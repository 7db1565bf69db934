//! Documents that are right, and every way to be wrong.

use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Shop {
    name: String,
    #[serde(default)]
    rows: u32,
    #[serde(default)]
    open: bool,
    #[serde(default)]
    tables: Vec<String>,
    #[serde(default)]
    inner: Option<Box<Shop>>,
}

fn shop(text: &str) -> Result<Shop, Vec<Problem>> {
    let document = Document::parse("shop.yaml", text).map_err(|problem| vec![problem])?;
    document.read(document.root())
}

#[track_caller]
fn check_refused(text: &str, expected: &[&str]) {
    let problems = shop(text).unwrap_err();
    let lines: Vec<String> = problems.iter().map(|problem| format!("{problem:?}")).collect();
    assert_eq!(lines, expected);
}

fn rendered(problem: &Problem) -> String {
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .render_report(&mut text, problem)
        .unwrap();
    text
}

#[test]
fn text_stays_as_it_was_written() {
    for (written, expected) in
        [("012", "012"), ("no", "no"), ("1.50", "1.50"), ("true", "true"), ("'~'", "~")]
    {
        assert_eq!(shop(&format!("name: {written}")).unwrap().name, expected);
    }
    assert_eq!(shop("{name: a, tables: [1, 02, x, 3.0]}").unwrap().tables, ["1", "02", "x", "3.0"]);
    assert_eq!(shop("name: a\r\nrows: 3\r\n").unwrap().rows, 3);
    assert_eq!(shop("\u{feff}name: ä\n").unwrap().name, "ä");
}

#[test]
fn numbers_and_booleans_are_strict() {
    check_refused(
        "name: a\nrows: 012\n",
        &["shop.yaml:2:7: expected a whole number from 0 to 4294967295, found `012`"],
    );
    check_refused(
        "name: a\nrows: -5\n",
        &["shop.yaml:2:7: expected a whole number from 0 to 4294967295, found `-5`"],
    );
    check_refused(
        "name: a\nrows: 99999999999999999999\n",
        &["shop.yaml:2:7: expected a whole number from 0 to 4294967295, found `99999999999999999999`"],
    );
    check_refused(
        "name: a\nopen: yes\n",
        &["shop.yaml:2:7: expected `true` or `false`, found `yes` (write `true`)"],
    );
    check_refused("name: a\ntables:\n", &["shop.yaml:2:1: expected a list, nothing is written here"]);
    check_refused("name: [a]\n", &["shop.yaml:1:7: expected text, found a list"]);
    check_refused("name:\n", &["shop.yaml:1:1: expected text, nothing is written here"]);
    check_refused("a\n", &["shop.yaml:1:1: expected keys and values, found `a`"]);
}

#[test]
fn every_unknown_key_is_told_at_once_and_at_its_line() {
    check_refused(
        "name: a\nrow: 3\ninner:\n  name: b\n  tabels: []\n",
        &[
            "shop.yaml:2:1: unknown key `row` (did you mean `rows`? Known keys: `name`, `rows`, `open`, `tables`, `inner`)",
            "shop.yaml:5:3: unknown key `tabels` (did you mean `tables`? Known keys: `name`, `rows`, `open`, `tables`, `inner`)",
        ],
    );
    check_refused("rows: 3\n", &["shop.yaml:1:1: key `name` is missing"]);
}

#[test]
fn a_key_that_stands_twice_is_refused_with_both_places() {
    let problem = Document::parse("shop.yaml", "name: a\nrows: 1\nname: b\n").unwrap_err();
    let text = rendered(&problem);
    assert!(text.contains("first time") && text.contains("second time"), "{text}");
    assert!(text.contains("shop.yaml:3:1"), "{text}");
}

#[test]
fn what_is_no_document_is_refused_with_its_reason() {
    check_refused("", &["shop.yaml:1:1: the file is empty"]);
    check_refused("# nothing\n", &["shop.yaml:1:1: the file is empty"]);
    check_refused(
        "a: 1\n---\nb: 2\n",
        &[
            "shop.yaml:2:1: a file holds one document, but a second one starts here (put everything below one `experiments:`, or into a file of its own)",
        ],
    );
    check_refused(
        "name: !secret x\n",
        &["shop.yaml:1:15: tag `!secret` means nothing here (remove the tag)"],
    );
    check_refused("a: &x [*x]\n", &["shop.yaml:1:8: this alias refers to itself"]);
    check_refused("? [a]\n: b\n", &["shop.yaml:1:3: a key must be a single word or text"]);
    check_refused("a\0b", &["shop.yaml: this is not a text file: line 1 holds the byte 0x00"]);
    let tab = format!("{:?}", shop("name: a\ninner:\n\tname: b\n").unwrap_err());
    assert!(tab.contains("not with tabs") && tab.contains("shop.yaml:3:2"), "{tab}");
    let open = format!("{:?}", shop("name: \"a\n").unwrap_err());
    assert!(open.contains("this is not YAML"), "{open}");
}

#[test]
fn an_alias_bomb_and_deep_nesting_end_at_a_bound() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let below = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let problem = Document::parse("bomb.yaml", &bomb).unwrap_err();
    assert!(format!("{problem:?}").contains("more than 100000 values"), "{problem:?}");
    // Every anchor keeps a copy of what is in it.
    let wide = vec!["x"; 20_000].join(",");
    let nested = (0..10).fold(format!("[{wide}]"), |inner, level| format!("&a{level} [{inner}]"));
    let problem = Document::parse("nested.yaml", &nested).unwrap_err();
    assert!(format!("{problem:?}").contains("more than 100000 values"), "{problem:?}");
    for deep in ["[".repeat(100_000), "- ".repeat(500), "a: {".repeat(1000), "? ".repeat(2000)] {
        let problem = Document::parse("deep.yaml", &deep).unwrap_err();
        assert!(problem.position().is_some(), "{problem:?}");
    }
    let problem = Document::parse("deep.yaml", &("[".repeat(70) + &"]".repeat(70))).unwrap_err();
    assert!(format!("{problem:?}").contains("more than 64"), "{problem:?}");
    let ladder: String = (1..100).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        text + &format!("a{level}: &a{level} [*a{}]\n", level - 1)
    });
    let problem = Document::parse("ladder.yaml", &ladder).unwrap_err();
    assert!(format!("{problem:?}").contains("more than 64"), "{problem:?}");
}

#[test]
fn an_alias_is_the_value_it_names() {
    let shop = shop("name: &n outer\ntables: &t [a, 1]\ninner: {name: *n, tables: *t}\n").unwrap();
    let inner = shop.inner.unwrap();
    assert_eq!((inner.name.as_str(), inner.tables), ("outer", shop.tables));
}

#[test]
fn the_mistake_is_shown_with_a_caret_and_without_secrets() {
    let text = "name: a\nurl: \"postgres://me:hunter2@db/x\" # ü\npassword: hunter2\nrwos: 4\n";
    let problems = shop(text).unwrap_err();
    let text = rendered(&problems[2]);
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("[shop.yaml:4:1]") && text.contains("── not known here"), "{text}");
    assert!(text.contains("did you mean `rows`"), "{text}");
}

#[test]
fn a_secret_in_the_value_itself_is_not_repeated_by_the_message() {
    let problems = shop("name: a\nopen: postgres://me:hunter2@db/x\n").unwrap_err();
    assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
}

#[test]
fn a_file_is_refused_by_its_size_before_it_is_read() {
    let folder = std::env::temp_dir().join(format!("chaos-document-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let large = folder.join("large.yaml");
    // A sparse file: reading a terabyte would not end in time, or at all.
    File::create(&large).unwrap().set_len(1 << 40).unwrap();
    let binary = folder.join("binary.yaml");
    std::fs::write(&binary, b"name: a\n\x80\xff").unwrap();
    let load = |path: &Path| Document::load(path).unwrap_err();
    let told = [load(&large), load(&binary), load(&folder), load(&folder.join("none.yaml"))];
    let is_unreadable: Vec<_> = told.iter().map(Problem::is_unreadable).collect();
    let told = told.map(|problem| format!("{problem:?}"));
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(told[0].ends_with("the file is larger than 4 MiB"), "{told:?}");
    assert!(told[1].ends_with("this is not a text file: line 2 holds the byte 0x80"), "{told:?}");
    assert!(told[2].ends_with("this is a directory, not a file"), "{told:?}");
    assert!(told[3].contains("the file cannot be read: No such file"), "{told:?}");
    assert_eq!(is_unreadable, [false, false, true, true], "{told:?}");
    assert!(Document::load(Path::new("/dev/zero")).is_err());
}

#[test]
fn what_is_said_of_a_number_names_it_as_it_was_written() {
    /// A field that takes numbers and texts, and refuses them all.
    #[derive(Debug)]
    struct Refused;
    impl<'de> Deserialize<'de> for Refused {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            use serde::de::Error as _;
            Err(D::Error::custom(match serde_json::Value::deserialize(deserializer)? {
                serde_json::Value::String(text) => format!("`{text}` is too much"),
                number => format!("`{number}` is too much"),
            }))
        }
    }
    for written in ["18446744073709551616", "1.10", "100000000000000000000000", "7"] {
        let document = Document::parse("a.yaml", &format!("[{written}]")).unwrap();
        let problems = document.read::<Vec<Refused>>(document.root()).unwrap_err();
        assert_eq!(format!("{problems:?}"), format!("[a.yaml:1:2: `{written}` is too much]"));
    }
}

#[test]
fn many_unquoted_numbers_for_text_fields_do_not_take_for_ever() {
    let numbers = vec!["7"; 50_000].join(",");
    let problems = shop(&format!("name: a\ntables: [{numbers}]")).unwrap_err();
    assert!(format!("{problems:?}").contains("put it in quotes"), "{:?}", problems.len());
}

/// A text made of pieces that mean something to YAML, in an order that nobody would write.
fn nonsense(seed: u64) -> String {
    use rand::{RngExt, SeedableRng};
    const PIECES: [&str; 40] = [
        "a",
        "name",
        ":",
        ": ",
        " ",
        "  ",
        "\n",
        "\n",
        "\r\n",
        "\t",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\"",
        "'",
        "&x ",
        "*x",
        "|\n",
        ">\n",
        "? ",
        "!t ",
        "!!str ",
        "# ü",
        "ä",
        "\u{1f600}",
        "\u{feff}",
        "\u{2028}",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\\u12",
        "012",
        "${A",
        "password: ",
        "://u:p@",
        "<<",
        "~",
    ];
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    (0..random.random_range(1..30)).map(|_| PIECES[random.random_range(0..PIECES.len())]).collect()
}

#[test]
fn nonsense_is_refused_or_read_but_never_panics() {
    let mut read = 0;
    for seed in 0..5_000 {
        let text = nonsense(seed);
        match shop(&text) {
            Ok(_) => read += 1,
            Err(problems) => problems.iter().for_each(|problem| {
                rendered(problem);
            }),
        }
        read += u32::from(Document::parse("n.yaml", &text).is_ok());
    }
    assert!(read > 100, "only {read} texts were documents at all");
}

/// Everything an error about `text` shows, by the shape of a shop.
fn told(text: &str) -> String {
    let problems = shop(text).unwrap_err();
    assert!(!problems.is_empty());
    problems.iter().map(|problem| format!("{}\n{problem:?}\n", rendered(problem))).collect()
}

#[test]
fn no_form_of_a_secret_is_shown_near_a_mistake() {
    for secret in [
        "password: |\n  hunter2\n  hunter2\n",
        "password: >-\n  x\n\n  hunter2\n",
        "become_password: 'x\n  hunter2'\n",
        "become_password: 'it''s\n  hunter2'\n",
        "become_password: x\n  hunter2\n",
        "become_pasword: hunter2\n",
        "becomepasword: hunter2\n",
        "become_password: [hunter2]\n",
        "become_password:\n- hunter2\n",
        "become_password: {hunter2: hunter2}\n",
        "become_password: {a: hunter2,\n b: hunter2}\n",
        "become_password:\n  a:\n    b: hunter2\n",
        "? password\n: hunter2\n",
        "\"password\":\n  hunter2\n",
        "inner: {name: a, token: hunter2, x: 1}\n",
        "tables: [&p hunter2]\npassword: *p\n",
        "pass: !!str hunter2\n",
        "url: \"postgres://me:x\n  hunter2@db/x\"\n",
        "url: \"postgres\\x3a//me:hunter2@db/x\"\n",
        "url: postgres://me:x hunter2@db/x\n",
        "# password: hunter2\n",
    ] {
        for text in [format!("{secret}rwos: 4\n"), format!("name: a\nrwos: 4\n{secret}")] {
            let told = told(&text);
            assert!(told.contains("rwos") && !told.contains("hunter2"), "{text}\n{told}");
        }
    }
}

#[test]
fn a_secret_that_is_itself_the_mistake_is_not_shown() {
    for text in [
        "name: a\npassword: !hunter2\n",
        "name: a\npassword: !hunter2 x\n",
        "name: a\npassword: *hunter2\n",
        "name: a\npassword: %hunter2\n",
        "name: a\npassword: @hunter2\n",
        "name: a\npassword: \"x\n  hunter2\n",
        "name: a\npassword: \"x\nhunter2\n",
        "name: a\npassword: \"x\ny\nhunter2\"\nrows: 1\n",
        "password: 'x\n\nhunter2'\nrwos: [\n",
        "name: a\npassword: 'x' hunter2\n",
        "name: a\npassword: \"\\hunter2\"\n",
        "name: a\npassword: x: hunter2\n",
        "name: a\npassword: |\n  hunter2\n bad\n\t:\n",
        "name: a\npassword: {hunter2: 1, hunter2: 2}\n",
        "name: a\npassword: [hunter2\nrows: 1\n",
        "name: a\nrows: [\npassword: |\n  hunter2\n",
        "name: a\nrows: ]\npassword: |\n  hunter2\n",
    ] {
        let told = told(text);
        assert!(!told.contains("hunter2"), "{text}\n{told}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the shape matters here")]
struct Login {
    password: u8,
    #[serde(default)]
    token: Option<Box<Shop>>,
}

#[test]
fn what_is_said_about_a_secret_does_not_repeat_it() {
    for text in [
        "password: hunter2\n",
        "password: 'x\n  hunter2'\n",
        "password: |\n  hunter2\n",
        "password: 1\ntoken: hunter2\n",
        "password: 1\ntoken: {hunter2: 1, name: a}\n",
        "password: 1\ntoken: {rows: hunter2, name: a}\n",
    ] {
        let document = Document::parse("login.yaml", text).unwrap();
        let problems = document.read::<Login>(document.root()).unwrap_err();
        let told: String =
            problems.iter().map(|problem| format!("{}{problem:?}", rendered(problem))).collect();
        assert!(told.contains("***") && !told.contains("hunter2"), "{text}\n{told}");
    }
}

#[test]
fn a_masked_excerpt_keeps_its_lines_and_the_place_of_the_mistake() {
    let problems = shop("name: a\npassword: |\n  hunter2\n\n  and more\nrwos: 4\n").unwrap_err();
    let text = rendered(&problems[1]);
    assert!(text.contains("[shop.yaml:6:1]") && text.contains("5 │   ***\n 6 │ rwos: 4"), "{text}");
}

#[test]
fn a_url_whose_password_has_a_space_is_not_repeated() {
    check_refused(
        "name: a\nopen: \"postgres://me:x hunter2@db/x\"\n",
        &["shop.yaml:2:7: expected `true` or `false`, found `***`"],
    );
}

#[test]
fn a_text_full_of_secrets_does_not_take_for_ever() {
    let started = std::time::Instant::now();
    let one_line = format!("{{{}}}", (0..40_000).map(|i| format!("pass{i}: \"x\", ")).collect::<String>());
    let nested = (0..60).map(|depth| format!("{}pass:\n", " ".repeat(depth))).collect::<String>();
    let nested = format!("{nested}{}|\n{}", " ".repeat(60), format!("{}x\n", " ".repeat(61)).repeat(50_000));
    for text in [one_line, nested] {
        Document::parse("full.yaml", &text).unwrap();
        Document::parse("full.yaml", &format!("{text}\n[")).unwrap_err();
    }
    // With a search of the whole line for each key, or of each line for each level, it would be minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
}
