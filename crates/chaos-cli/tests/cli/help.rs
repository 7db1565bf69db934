//! Help, version, completions, manual.

use expect_test::expect_file;

use crate::user::User;

#[test]
fn the_help_of_every_command_is_as_expected() {
    let user = User::new();
    let mut pages = user.types(&["--help"]).stdout;
    for command in [
        "demo",
        "run",
        "validate",
        "list-skills",
        "explain",
        "discover",
        "status",
        "recover",
        "history",
        "report",
        "schema",
        "completions",
        "man",
        "doctor",
    ] {
        let said = user.types(&[command, "-h"]);
        said.assert_code(0);
        pages.push_str(&format!("\n===== chaos {command} -h\n{}", said.stdout));
    }
    let state = user.state().display().to_string();
    assert!(!pages.contains(&state), "the help shows what a variable holds");
    expect_file!["snapshots/help.txt"].assert_eq(&pages);
}

#[test]
fn the_old_names_still_work() {
    let user = User::new();
    let file = user.experiment("1s");
    user.types(&["verify", &file]).assert_code(0);
    user.types(&["-v", "run", &file, "--dry-run"]).assert_code(0);
    user.types(&["list-skills", "--target", "db"]).assert_code(0);
}

#[test]
fn every_shell_has_completions_and_every_command_a_manual_page() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(user.types(&["completions", shell]).assert_code(0).stdout.contains("list-skills"), "{shell}");
    }
    assert!(user.types(&["man"]).assert_code(0).stdout.contains(".TH chaos"));
    let pages = user.path("pages");
    std::fs::create_dir(&pages).unwrap();
    user.types(&["man", "--dir", pages.to_str().unwrap()]).assert_code(0);
    assert!(pages.join("chaos-recover.1").exists());
}

#[test]
fn the_guardian_is_not_shown() {
    let user = User::new();
    for arguments in [&["--help"][..], &["completions", "bash"], &["man"]] {
        assert!(!user.types(arguments).stdout.contains("__guardian"), "{arguments:?}");
    }
}
