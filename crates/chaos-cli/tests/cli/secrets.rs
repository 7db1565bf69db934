//! Files with a mistake near a secret: the excerpt shows the mistake and never the secret.

use crate::user::User;

/// Says what is wrong with an experiment on a host, whose authentication and mistake are these lines.
#[track_caller]
fn check_hidden(lines: &str) {
    let user = User::new();
    let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let file = user.write(
        "hosts.yaml",
        format!(
            "experiments:\n- name: small\n  target: server\n  target_config:\n    hosts: [{{host: a}}]\n{indented}  \
             duration: 1s\n  skills:\n  - {{skill_name: server.cpu_stress}}\n"
        ),
    );
    for arguments in [&["validate", &file][..], &["validate", &file, "--output", "json"], &["run", &file]] {
        let said = user.types(arguments);
        assert_ne!(said.code, Some(0), "{lines}");
        assert!(said.stderr.contains("hosts.yaml:"), "{}", said.stderr);
        assert!(!said.stderr.contains("hunter2"), "{lines}\n{}", said.stderr);
        assert!(!said.stdout.contains("hunter2"), "{lines}\n{}", said.stdout);
    }
}

#[test]
fn a_secret_over_several_lines_is_not_shown_near_a_mistake() {
    check_hidden("defaults:\n  auth:\n    password: |\n      x\n      hunter2\n    usernam: me");
    check_hidden("defaults:\n  auth:\n    password: >-\n      hunter2\n  prot: 22");
    check_hidden("defaults:\n  become_password: 'x\n    hunter2'\n  prot: 22");
    check_hidden("defaults:\n  become_password: \"x\n  hunter2");
}

#[test]
fn a_secret_below_a_misspelt_key_or_of_a_wrong_type_is_not_shown() {
    check_hidden("defaults:\n  become_pasword: hunter2");
    check_hidden("defaults:\n  becomePassword: hunter2");
    check_hidden("defaults:\n  become_password: [hunter2]");
    check_hidden("defaults:\n  become_password: {a: hunter2}");
    check_hidden("defaults:\n  become_password: {hunter2: a}");
    check_hidden("defaults:\n  become_password: !hunter2");
    check_hidden("defaults:\n  auth: {key: x, passphrase: [hunter2]}");
    check_hidden("defaults:\n  auth: {private_key: hunter2}");
}
