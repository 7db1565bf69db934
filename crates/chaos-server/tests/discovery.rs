//! What is there on real hosts is found in about one round trip, and what cannot be read is said.
#![expect(clippy::unwrap_used, reason = "a test ends where something is off")]

mod world;

use chaos_core::target::DiscoverFilter;
use chaos_core::{Connector, Inventory, ResourceFilter, Target};
use chaos_server::{ServerConfig, ServerConnector, ServerTarget};
use serde_json::{Value, json};
use world::{TestHost, inventory};

async fn connect(host: &TestHost, user: &str, port: u16) -> ServerTarget {
    let world = inventory().unwrap();
    let config = json!({
        "hosts": [{
            "host": host.host.address, "port": port, "username": user, "ssh_config": "none",
            "auth": { "type": "key", "private_key_path": world.keys.ed25519 }, "known_hosts": world.known_hosts,
        }],
        "discovery": { "exclude_services": ["app-b*"] },
    });
    let config: ServerConfig = serde_json::from_value(config).unwrap();
    ServerConnector.connect(config).await.unwrap()
}

async fn discover(target: &ServerTarget, filters: &[&str]) -> Inventory {
    let expressions = filters.iter().map(|filter| regex::Regex::new(filter).unwrap()).collect();
    let filter = DiscoverFilter { tables: Vec::new(), resources: ResourceFilter::new(expressions) };
    target.discover(&filter).await.unwrap()
}

fn rows<'a>(inventory: &'a Inventory, title: &str) -> &'a [Vec<String>] {
    let table = inventory.tables.iter().find(|table| table.title == title);
    &table.unwrap_or_else(|| panic!("no table `{title}`")).rows
}

fn row<'a>(inventory: &'a Inventory, title: &str, key: &str) -> &'a [String] {
    let row = rows(inventory, title).iter().find(|row| row[0] == key);
    row.unwrap_or_else(|| panic!("`{title}` has no `{key}`"))
}

#[tokio::test]
async fn services_ports_and_file_systems_of_a_host_are_found() {
    let Some(host) = TestHost::get("any").await else { return };
    let found = discover(&connect(&host, "root", 22).await, &[]).await;
    assert_eq!(row(&found, "Services", "nginx.service")[1..3], ["active (running)", "enabled"]);
    assert_eq!(row(&found, "Services", "app-base.service")[3], "app-needs.service app-part.service");
    let ports = rows(&found, "Listening ports");
    let web = ports.iter().find(|port| port[1] == "0.0.0.0:80").unwrap();
    assert!(web[2].starts_with("nginx (") && web[3] == "nginx.service", "{web:?}");
    let data = row(&found, "File systems", "/data");
    assert!(data[1] == "tmpfs" && data[6].contains("rw"), "{data:?}");
    assert!(row(&found, "File systems", "/readonly")[6].contains("ro"));
    assert_eq!(row(&found, "Users who can log in", "chaos")[1], "1000");
    assert_eq!(row(&found, "Host", "init")[1].split(' ').next(), Some("systemd"));
    // This kernel has no netem: whoever wants it must be told.
    let has_netem =
        host.is_true("tc qdisc add dev lo root netem delay 1ms && tc qdisc del dev lo root").await;
    assert_eq!(row(&found, "Kernel modules", "sch_netem")[1] != "not found", has_netem);
}

#[tokio::test]
async fn what_is_never_touched_and_what_is_excluded_says_why() {
    let Some(host) = TestHost::get("any").await else { return };
    let found = discover(&connect(&host, "root", host.host.port_many.unwrap()).await, &[]).await;
    assert_eq!(row(&found, "Services", "ssh.service")[4], "it lets people in over SSH");
    // No list has this name: it is the server that we came through just now.
    assert_eq!(row(&found, "Services", "ssh-many.service")[4], "we are connected through it");
    assert_eq!(row(&found, "Services", "app-base.service")[4], "`exclude_services` names it");
    assert_eq!(row(&found, "Services", "nginx.service")[4], "");
}

#[tokio::test]
async fn filters_leave_out_what_they_do_not_name() {
    let Some(host) = TestHost::get("any").await else { return };
    let found = discover(&connect(&host, "root", 22).await, &["^nginx", "^/data$"]).await;
    let first = |title: &str| rows(&found, title).iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    assert_eq!(first("Services"), ["nginx.service"]);
    assert_eq!(first("File systems"), ["/data"]);
    assert!(rows(&found, "Listening ports").iter().all(|port| port[3] == "nginx.service"));
    assert_eq!(found.data["services"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_a_user_may_not_see_is_said() {
    let Some(host) = TestHost::get("any").await else { return };
    let found = discover(&connect(&host, "plain", 22).await, &[]).await;
    let gaps: Vec<_> = rows(&found, "Not read").iter().map(|row| row.join(": ")).collect();
    assert!(
        gaps.contains(&"ports: the processes of other users are shown to root only".to_owned()),
        "{gaps:?}"
    );
    let web = rows(&found, "Listening ports").iter().find(|port| port[1] == "0.0.0.0:80").unwrap();
    assert_eq!(web[2..], ["", ""]);
}

#[tokio::test]
async fn a_host_with_busybox_only_shows_what_it_has() {
    let Some(host) = TestHost::get("th3").await else { return };
    let found = discover(&connect(&host, "root", 22).await, &[]).await;
    let ssh = rows(&found, "Listening ports").iter().find(|port| port[1] == "0.0.0.0:22").unwrap();
    assert!(ssh[2].starts_with("sshd ("), "{ssh:?}");
    assert_eq!(row(&found, "Not read", "services")[1], "systemd does not manage this host");
    assert_eq!(found.data["services"], Value::Null);
    assert_eq!(row(&found, "Users who can log in", "root")[3], "/bin/sh");
}

#[tokio::test]
async fn containers_control_groups_and_free_room_are_told_to_people_and_programs() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("podman import -q /usr/lib/world/busybox.tar seen:1 2>/dev/null").await;
    let run = "podman run -d --name seen-1 --network none seen:1 sleep 600 2>/dev/null";
    let id = host.sh(run).await.trim().to_owned();
    host.sh("podman create -q --name unseen-2 --network none seen:1 sleep 600 >/dev/null 2>&1").await;
    let target = connect(&host, "root", 22).await;
    let (all, some) = (discover(&target, &[]).await, discover(&target, &["^seen-"]).await);
    let room = host.sh("stat -f -c '%S %b %f %a %c %d' /ext").await;
    host.sh("podman rm -f seen-1 unseen-2 >/dev/null && podman rmi seen:1 >/dev/null").await;

    let container = row(&all, "Containers", "seen-1");
    assert_eq!(container[1..3], ["podman", "localhost/seen:1"]);
    assert!(container[3].starts_with("Up ") && id.starts_with(&container[4]), "{container:?}");
    assert!(row(&all, "Containers", "unseen-2")[3].starts_with("Created"));
    assert_eq!(rows(&some, "Containers").len(), 1);
    let told = &some.data["survey"]["containers"];
    assert_eq!((&told[0]["name"], &told[0]["id"], &told[1]), (&json!("seen-1"), &json!(id), &Value::Null));

    // The kernel of the test hosts has both kinds.
    let groups = &row(&all, "Host", "control groups")[1];
    assert!(
        groups.starts_with("hybrid: ") && groups.contains("memory") && groups.contains("pids"),
        "{groups}"
    );
    assert_eq!(all.data["survey"]["cgroup"]["version"], "hybrid");

    let numbers: Vec<u64> = room.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let mounts = all.data["mounts"].as_array().unwrap();
    let ext = &mounts.iter().find(|mount| mount["point"] == "/ext").unwrap()["room"];
    let [block, size, free, available, inodes, inodes_free] = numbers[..] else { panic!("{room}") };
    assert_eq!(ext["size"], json!(block * (size - (free - available))));
    assert_eq!((&ext["inodes"], &ext["inodes_free"]), (&json!(inodes), &json!(inodes_free)));
    assert_eq!(ext["available"], json!(block * available));
    let shown = row(&all, "File systems", "/ext");
    assert_eq!(shown[5], inodes_free.to_string());
    assert!(shown[3].ends_with(" MiB") && shown[4].ends_with(" MiB"), "{shown:?}");
}
