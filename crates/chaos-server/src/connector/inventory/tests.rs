//! Lists of hosts as people write them, read or refused by their line.

use std::fs;

use super::*;

/// Writes a list, reads it and returns each host as JSON in one line, or the error.
fn read_text(name: &str, text: &str, group: Option<&str>) -> Result<Vec<String>, String> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), text).unwrap();
    let list = name.contains("inventory").then(|| name.to_owned());
    let source = Source {
        file: (list.is_none()).then(|| name.to_owned()),
        ansible: list,
        group: group.map(str::to_owned),
        ..Source::default()
    };
    let list = read(&source, &HostDefaults::default(), Some(directory.path()));
    let show = |found: &Found| Value::Object(found.host.clone()).to_string();
    let hidden = directory.path().display().to_string();
    list.map(|list| {
        list.found.iter().map(show).chain(list.notes).map(|text| text.replace(&hidden, "DIR")).collect()
    })
    .map_err(|error| error.chain().replace(&hidden, "DIR"))
}

fn hosts(text: &str) -> Vec<String> {
    read_text("hosts.txt", text, None).unwrap()
}

#[track_caller]
fn check_refused(name: &str, text: &str, expected: &str) {
    assert_eq!(
        read_text(name, text, None).unwrap_err(),
        format!("read the hosts of `DIR/{name}`: {expected}")
    );
}

#[test]
fn a_file_has_one_host_a_line() {
    assert_eq!(
        hosts("# web\nweb-1\n  deploy@web-2:2222 # busy\n\n[fd00::5]:22\nfd00::6\n[fd00::7]\nu@d@web-3\n"),
        [
            r#"{"host":"web-1"}"#,
            r#"{"host":"web-2","username":"deploy","port":2222}"#,
            r#"{"host":"fd00::5","port":22}"#,
            r#"{"host":"fd00::6"}"#,
            r#"{"host":"fd00::7"}"#,
            r#"{"host":"web-3","username":"u@d"}"#,
        ]
    );
}

#[test]
fn a_line_that_is_no_host_is_refused_with_its_number() {
    check_refused(
        "hosts.txt",
        "a\nb c\n",
        "line 2: `b c`: one host stands in a line, as `[user@]host[:port]`",
    );
    check_refused("hosts.txt", "a:0\n", "line 1: `0` is no port, which is 1 to 65535");
    check_refused("hosts.txt", "a:b\n", "line 1: `b` is no port, which is 1 to 65535");
    check_refused("hosts.txt", "@a\n", "line 1: `@a`: no user stands before the `@`");
    check_refused("hosts.txt", "[::1]22\n", "line 1: `[::1]22`: only a port stands behind brackets");
    check_refused("hosts.txt", "# nobody\n\n", "it has no host");
}

#[test]
fn a_list_that_is_not_there_is_refused_by_its_name() {
    let source = Source { file: Some("/no/such/hosts".to_owned()), ..Source::default() };
    let error = read(&source, &HostDefaults::default(), None).unwrap_err();
    assert_eq!(error.chain(), "read the hosts of `/no/such/hosts`: No such file or directory (os error 2)");
    let source = Source { file: Some("/".to_owned()), ..Source::default() };
    let error = read(&source, &HostDefaults::default(), None).unwrap_err();
    assert_eq!(error.chain(), "read the hosts of `/`: it is a directory; name one file of it");
}

const INI: &str = r#"
# a comment
lonely ansible_host=10.0.0.9

[web]
web[01:03].example.com ansible_user=deploy
web-x:2222  ansible_ssh_private_key_file="/keys/web key" role=front # trailing

[db]
db-[a:b] ansible_host=10.0.1.1
[db:vars]
ansible_user=postgres
ansible_become=yes
[shop:children]
web
db
[shop:vars]
ansible_user=shop
ansible_port=2200
ansible_ssh_common_args=-o ProxyCommand="nc %h"
[all:vars]
ansible_user = everybody
ansible_become_password=hunter2
"#;

fn ansible(group: &str) -> Vec<String> {
    read_text("inventory.ini", INI, Some(group)).unwrap()
}

#[test]
fn groups_nearer_to_a_host_overrule_those_above() {
    assert_eq!(
        ansible("db"),
        [
            r#"{"host":"10.0.1.1","name":"db-a","port":2200,"username":"postgres","become":"sudo","become_password":"hunter2"}"#,
            r#"{"host":"10.0.1.1","name":"db-b","port":2200,"username":"postgres","become":"sudo","become_password":"hunter2"}"#,
            "`DIR/inventory.ini`: `ansible_ssh_common_args` is not used here; ways through other hosts belong into \
             `~/.ssh/config`",
        ]
    );
    assert_eq!(ansible("ungrouped"), [r#"{"host":"10.0.0.9","name":"lonely","username":"everybody"}"#]);
}

#[test]
fn ranges_ports_and_quoted_values_are_read_as_ansible_reads_them() {
    let web = ansible("web");
    assert_eq!(
        web[0],
        r#"{"host":"web01.example.com","name":"web01.example.com","port":2200,"username":"deploy"}"#
    );
    assert!(web[2].contains("web03.example.com"), "{}", web[2]);
    assert_eq!(
        web[3],
        r#"{"host":"web-x","name":"web-x:2222","port":2200,"username":"shop","auth":{"type":"key","private_key_path":"/keys/web key"}}"#
    );
    assert_eq!((ansible("shop").len(), ansible("all").len()), (7, 8));
}

#[test]
fn an_inventory_that_cannot_be_used_is_refused_with_its_line() {
    let name = "inventory.ini";
    check_refused(name, "[web]\na \"b\n", "line 2: `a \"b`: a quote is not closed");
    check_refused(name, "a hunter2\n", "line 1: behind the name of a host stand variables, as `name=value`");
    check_refused(
        name,
        "[a:b]\n",
        "line 1: `[a:b]`: a section is `[group]`, `[group:children]` or `[group:vars]`",
    );
    check_refused(name, "[a:children]\nb\n", "the group `b` is a child of another, and is not there");
    check_refused(name, "web[9:1]\n", "line 1: `web[9:1]`: `[9:1]` is no range");
    check_refused(name, "web[1:99999]\n", "line 1: `web[1:99999]` stands for more than 10000 hosts");
    check_refused(name, "a ansible_port=x\n", "line 1: host `a`: `ansible_port` is `x`, which is no port");
    check_refused(
        name,
        "a ansible_become=yes ansible_become_method=su\n",
        "line 1: host `a`: `ansible_become_method` is `su`, and only `sudo` is known here",
    );
    check_refused(
        name,
        "a ansible_host={{x}}\n",
        "line 1: host `a`: `ansible_host` is a template, and templates cannot be evaluated here",
    );
    check_refused(
        name,
        "a ansible_connection=docker\n",
        "line 1: host `a`: `ansible_connection` is `docker`, and only `ssh` and `local` are known here",
    );
    check_refused(
        name,
        "#!/bin/sh\n",
        "it is a program; save what it prints with `ansible-inventory --list --yaml`",
    );
    check_refused(name, "[web]\n", "its group `all` has no host");
    assert_eq!(
        read_text(name, "a\n", Some("web")).unwrap_err(),
        "read the hosts of `DIR/inventory.ini`: it has no group `web`"
    );
}

#[test]
fn encrypted_values_are_refused_aloud() {
    let why = "this is encrypted with Ansible Vault and cannot be read here; put how to log in into `defaults`, and keep \
               encrypted values out of this file";
    check_refused("inventory.ini", "$ANSIBLE_VAULT;1.1;AES256\n6162\n", &format!("line 1: {why}"));
    let yaml =
        "all:\n  hosts:\n    a:\n      ansible_password: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n";
    check_refused("inventory.yml", yaml, &format!("line 4: {why}"));
}

#[test]
fn a_circle_of_groups_ends() {
    let text = "[a:children]\nb\n[b:children]\na\n[a:vars]\nansible_user=u\n[b]\nhost-1\n";
    assert_eq!(
        read_text("inventory", text, Some("a")).unwrap(),
        [r#"{"host":"host-1","name":"host-1","username":"u"}"#]
    );
}

#[test]
fn an_inventory_as_yaml_means_the_same() {
    let text = "
all:
  vars: {ansible_user: everybody}
  hosts:
    lonely:
  children:
    web:
      hosts:
        web[1:2]:
        web-x: {ansible_host: 10.0.0.7, ansible_port: 2222, ansible_become: true, tags: [a, b]}
      vars:
        ansible_user: deploy
";
    assert_eq!(
        read_text("inventory.yaml", text, Some("web")).unwrap(),
        [
            r#"{"host":"web1","name":"web1","username":"deploy"}"#,
            r#"{"host":"web2","name":"web2","username":"deploy"}"#,
            r#"{"host":"10.0.0.7","name":"web-x","port":2222,"username":"deploy","become":"sudo"}"#,
        ]
    );
    assert_eq!(read_text("inventory.yaml", text, None).unwrap().len(), 4);
    let odd = read_text("inventory.yaml", "all:\n  host:\n    a:\n", None).unwrap_err();
    assert!(odd.ends_with("line 2: a group has `hosts`, `vars` and `children`, and no `host`"), "{odd}");
    let odd = read_text("inventory.yaml", "all:\n  hosts: [a]\n", None).unwrap_err();
    assert!(odd.ends_with("line 2: `hosts` of the group `all` is made of keys and values"), "{odd}");
}

#[test]
fn hosts_of_an_ssh_configuration_are_those_it_writes_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    fs::write(&path, "Host web-1 web-2\n  Port 22\nHost db-1 !web-9\nHost web-*\n  User u\nHost web-1\n")
        .unwrap();
    let defaults = HostDefaults { ssh_config: Some("config".to_owned()), ..HostDefaults::default() };
    let of = |patterns: &str| {
        let source = Source { ssh_config: Some(patterns.to_owned()), ..Source::default() };
        let list = read(&source, &defaults, Some(directory.path()));
        list.map(|list| list.found.iter().map(|found| found.host["host"].clone()).collect::<Vec<_>>())
    };
    assert_eq!(of("web-*").unwrap(), ["web-1", "web-2"]);
    assert_eq!(of("db-* web-2").unwrap(), ["db-1", "web-2"]);
    let error = of("app-*").unwrap_err().chain();
    assert!(error.ends_with("config`: it names no host that matches `app-*`"), "{error}");
}
