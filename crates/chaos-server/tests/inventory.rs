//! Hosts that stand in lists are found and reached as their lists say.

#![expect(clippy::unwrap_used, reason = "a test ends where something is off")]

mod world;

use std::fs;
use std::path::Path;

use chaos_core::target::NameKind;
use chaos_core::{Connector, Member, Members, MembersRequest, Target};
use chaos_server::{ServerConnector, ServerTarget};
use serde_json::{Value, json};
use world::{TestHost, inventory};

async fn members(directory: &Path, config: Value, only: Option<&str>) -> Members {
    let request = MembersRequest {
        as_written: config.clone(),
        config,
        directory: Some(directory.to_owned()),
        seed: 1,
        only: only.map(str::to_owned),
    };
    ServerConnector.members(request).await.unwrap()
}

async fn connect(member: &Member) -> ServerTarget {
    ServerConnector.connect(serde_json::from_value(member.config.clone()).unwrap()).await.unwrap()
}

fn names(target: &ServerTarget) -> Vec<String> {
    let names = target.identity().names.iter().filter(|name| name.kind == NameKind::Host);
    names.map(|name| name.name.clone()).collect()
}

#[tokio::test]
async fn every_kind_of_list_leads_to_its_host() {
    let Some(host) = TestHost::get("any").await else { return };
    let world = inventory().unwrap();
    let (address, ipv6) = (host.host.address, host.host.ipv6);
    let (keys, name) = (&world.keys, &host.host.name);
    let directory = tempfile::tempdir().unwrap();
    fs::copy(&keys.ed25519, directory.path().join("id")).unwrap();
    fs::write(directory.path().join("hosts.txt"), format!("chaos@{address}:2222\n")).unwrap();
    let ini = format!(
        "[web]\nshop-[1:1] ansible_host={address} ansible_user=chaos ansible_become=yes ansible_ssh_private_key_file=id\n"
    );
    fs::write(directory.path().join("hosts.ini"), ini).unwrap();
    let yaml = format!(
        "all:\n  vars: {{ansible_user: chaos, ansible_ssh_private_key_file: id}}\n  children:\n    db:\n      hosts:\n        \
         db-1: {{ansible_host: '{ipv6}', ansible_become: true}}\n    other:\n      hosts: {{nobody.test: }}\n"
    );
    fs::write(directory.path().join("hosts.yaml"), yaml).unwrap();
    let config = json!({
        "defaults": {
            "known_hosts": world.known_hosts, "ssh_config": world.ssh_config,
            "auth": { "type": "key", "private_key_path": "id" },
        },
        "inventory": [
            { "file": "hosts.txt" }, { "ssh_config": name }, { "ansible": "hosts.ini", "group": "web" },
            { "ansible": "hosts.yaml", "group": "db" },
        ],
        "allow_same_machine": true,
    });
    let found = members(directory.path(), config.clone(), None).await;
    let titles: Vec<_> = found.list.iter().map(|member| member.name.clone()).collect();
    assert_eq!(titles, [format!("{address}:2222"), name.clone(), "shop-1".to_owned(), "db-1".to_owned()]);
    assert!(found.allow_same);
    let [by_file, by_config, by_ansible, by_yaml] = found.list.as_slice() else {
        unreachable!("four were found")
    };
    let (by_file, by_config, by_ansible) =
        (connect(by_file).await, connect(by_config).await, connect(by_ansible).await);
    assert_eq!(by_file.identity().label, format!("chaos@{address}:2222"));
    assert_eq!(by_config.identity().label, format!("root@{address}:22"));
    assert_eq!(by_ansible.identity().label, format!("chaos@{address}:22"));
    assert!(by_ansible.facts().is_root && !by_file.facts().is_root);
    let by_yaml = connect(by_yaml).await;
    assert_eq!(by_yaml.identity().label, format!("chaos@[{ipv6}]:22"));
    assert!(by_yaml.facts().is_root);
    assert_eq!(names(&by_yaml), ["db-1", &ipv6.to_string(), name]);
    assert_eq!(by_yaml.identity().fingerprint, by_file.identity().fingerprint);
    // Policy knows a host by every name that it has.
    assert_eq!(names(&by_config), [name.as_str(), &address.to_string()]);
    assert_eq!(names(&by_ansible), ["shop-1", &address.to_string(), name]);
    // They are one machine, and whoever compares sees it.
    assert_eq!(by_file.identity().fingerprint, by_config.identity().fingerprint);
    assert_eq!(by_file.identity().fingerprint, by_ansible.identity().fingerprint);
    for title in titles {
        let again = members(directory.path(), config.clone(), Some(&title)).await;
        assert_eq!(again.list.iter().map(|member| &member.name).collect::<Vec<_>>(), [&title]);
    }
}

#[tokio::test]
async fn what_the_journal_keeps_of_a_member_leads_there_too() {
    let Some(host) = TestHost::get("any").await else { return };
    let world = inventory().unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::copy(&world.keys.ed25519, directory.path().join("id")).unwrap();
    let config = json!({
        "defaults": { "username": "root", "ssh_config": "none", "known_hosts": world.known_hosts },
        "hosts": [{ "host": host.host.address, "auth": { "type": "key", "private_key_path": "id" } }],
    });
    let found = members(directory.path(), config, None).await;
    let kept = ServerConnector.redact(&found.list[0].as_written);
    let target = ServerConnector.connect(serde_json::from_value(kept).unwrap()).await.unwrap();
    assert_eq!(target.facts().hostname, host.host.name);
}

#[tokio::test]
async fn many_hosts_at_once_are_told_apart() {
    let Some(hosts) = TestHost::get_all(&["th1", "th2"]).await else { return };
    let world = inventory().unwrap();
    let entries: Vec<_> = hosts.iter().map(|host| json!({ "host": host.host.name })).collect();
    let config = json!({ "defaults": { "ssh_config": world.ssh_config }, "hosts": entries });
    let found = members(Path::new("/"), config, None).await;
    let targets = futures::future::join_all(found.list.iter().map(connect)).await;
    let identities: Vec<_> = targets.iter().map(Target::identity).collect();
    assert_ne!(identities[0].fingerprint, identities[1].fingerprint);
    assert_eq!(targets.iter().map(|target| &target.facts().hostname).collect::<Vec<_>>(), ["th1", "th2"]);
}

#[tokio::test]
async fn more_logins_at_once_than_a_server_takes_all_come_through() {
    let Some(host) = TestHost::get("any").await else { return };
    let world = inventory().unwrap();
    let one = json!({ "defaults": {
        "username": "root", "auth": { "type": "key", "private_key_path": world.keys.ed25519 },
        "known_hosts": world.known_hosts, "ssh_config": "none", "connect_timeout": "20s",
    }, "hosts": [{ "host": host.host.address }] });
    let found = members(Path::new("/"), one, None).await;
    // The server drops three of ten as soon as ten are not logged in yet.
    let targets = futures::future::join_all((0..40).map(|_| connect(&found.list[0]))).await;
    assert_eq!(targets.len(), 40);
}
