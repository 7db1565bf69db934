//! The test hosts are what tests take them for: a snapshot sees what matters and nothing else, a reboot is a reboot, a cut
//! is a cut.

mod world;

use std::net::TcpStream;
use std::time::Duration;

use world::{ANY, HostSnapshot, TestHost, VIRTUAL, wait_until};

/// Hosts of all kinds.
const ALL: [&str; 3] = [ANY, "th3", VIRTUAL];

/// Returns a host just after a boot: what other tests may have left at work in memory is none of ours.
async fn fresh(name: &str) -> Option<TestHost> {
    let host = TestHost::get(name).await?;
    host.reboot_and_wait().await;
    Some(host)
}

/// Does `change`, looks, undoes it, looks again: the first look must show `line`, the second nothing.
async fn check_seen(change: &str, undo: &str, line: &str) {
    let Some(host) = fresh("any").await else { return };
    let before = host.snapshot().await;
    host.sh(change).await;
    let changed = host.snapshot().await;
    host.sh(undo).await;
    let difference = before.diff(&changed);
    assert!(difference.contains(line), "`{line}` is not in:\n{difference}");
    host.assert_same(&before).await;
}

fn answers_ssh(host: &TestHost) -> bool {
    TcpStream::connect_timeout(&host.ssh(), Duration::from_millis(500)).is_ok()
}

#[tokio::test]
async fn two_looks_at_an_untouched_host_are_equal() {
    for name in ALL {
        let Some(host) = fresh(name).await else { return };
        let before = host.snapshot().await;
        for _ in 0..3 {
            host.assert_same(&before).await;
        }
    }
}

#[tokio::test]
async fn a_reboot_changes_the_boot_id_and_nothing_else() {
    for name in ALL {
        let Some(host) = fresh(name).await else { return };
        let (before, boot) = (host.snapshot().await, host.boot_id().await);
        host.reboot_and_wait().await;
        assert_ne!(host.boot_id().await, boot);
        assert!(answers_ssh(&host));
        host.assert_same(&before).await;
    }
}

#[tokio::test]
async fn a_reboot_empties_what_a_reboot_empties() {
    let Some(host) = fresh("any").await else { return };
    let before = host.snapshot().await;
    host.sh("touch /run/left /tmp/left /data/left /ext/kept; nft add table inet left; \
         tc qdisc add dev eth0 root tbf rate 100mbit burst 32k latency 50ms; \
         systemd-run -q --unit=left --on-active=1h true")
        .await;
    host.reboot_and_wait().await;
    assert_eq!(before.diff(&host.snapshot().await).matches("kept").count(), 2, "its name and its content");
    host.sh("rm /ext/kept").await;
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_cut_network_is_cut_and_stays_cut_over_a_reboot() {
    for name in ALL {
        let Some(host) = fresh(name).await else { return };
        let before = host.snapshot().await;
        assert!(answers_ssh(&host));
        host.cut_network();
        assert!(!answers_ssh(&host));
        host.reboot_and_wait().await;
        assert!(!answers_ssh(&host));
        host.join_network();
        wait_until("SSH answers again", Duration::from_secs(10), || async { answers_ssh(&host) }).await;
        host.assert_same(&before).await;
    }
}

#[tokio::test]
async fn a_login_is_not_seen() {
    for name in ALL {
        let Some(host) = fresh(name).await else { return };
        let before = host.snapshot().await;
        let config = world::inventory().unwrap().ssh_config;
        let mut ssh = tokio::process::Command::new("ssh");
        ssh.arg("-F").arg(config).args([host.host.name.as_str(), "true"]);
        assert!(ssh.status().await.unwrap().success());
        host.assert_same(&before).await;
    }
}

#[tokio::test]
async fn a_virtual_machine_answers_whoever_asks_next() {
    let Some(host) = TestHost::get(VIRTUAL).await else { return };
    for abandoned in ["head -c 10000000 /dev/zero | tr '\\0' x", "sleep 3; echo late"] {
        let asked = tokio::time::timeout(Duration::from_millis(500), host.sh(abandoned)).await;
        assert!(asked.is_err(), "it was answered already: {abandoned}");
        assert_eq!(host.sh("echo now").await, "now\n");
    }
    let long = "# a comment\n".repeat(1000);
    assert_eq!(host.sh(&format!("{long}head -c 300000 /dev/zero | wc -c")).await, "300000\n");
    assert_eq!(host.sh("head -c 300000 /dev/zero | tr '\\0' x").await.len(), 300_000);
}

#[tokio::test]
async fn a_host_belongs_to_one_test_at_a_time() {
    let Some(host) = TestHost::get("th2").await else { return };
    let other = tokio::spawn(TestHost::get("th2"));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!other.is_finished());
    drop(host);
    assert!(other.await.unwrap().is_some());
}

#[tokio::test]
async fn hosts_reach_each_other_and_their_peers_by_name() {
    let Some(hosts) = TestHost::get_all(&["th2", "th1"]).await else { return };
    assert_eq!(hosts[0].sh("curl -sS http://peer.world.test/").await, "ok\n");
    assert_eq!(hosts[0].sh("curl -sS -6 http://other.world.test:8080/bytes/5").await, "xxxxx");
    hosts[0].sh("nc -z -w 2 th2.world.test 22 && nc -z -w 2 fd77::3 22").await;
    assert_eq!(hosts[0].try_sh("host nowhere.world.test").await.code, Some(1));
}

#[tokio::test]
async fn limits_of_a_unit_are_kept() {
    let Some(host) = fresh("any").await else { return };
    let before = host.snapshot().await;
    let eat =
        "systemd-run -q --wait --collect -p MemoryMax=20M sh -c 'head -c 80M /dev/zero | tail > /dev/null'";
    assert_ne!(host.try_sh(eat).await.code, Some(0));
    let fork =
        "systemd-run -q --wait --collect -p TasksMax=3 sh -c 'sleep 1 & sleep 1 & sleep 1 & sleep 1 & wait'";
    assert_ne!(host.try_sh(fork).await.code, Some(0));
    let quota = "systemd-run -q --wait --collect --pipe -p CPUQuota=20% \
                 sh -c 'cat /sys/fs/cgroup/cpu/system.slice/run-u*.service/cpu.cfs_quota_us'";
    assert_eq!(host.sh(quota).await, "20000\n");
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_changed_file_is_seen() {
    check_seen(
        "cp -a /etc/hosts /run/keep; echo 10.0.0.1 other >> /etc/hosts",
        "cat /run/keep > /etc/hosts; rm /run/keep",
        "/etc/hosts",
    )
    .await;
}

#[tokio::test]
async fn a_changed_mode_is_seen() {
    check_seen(
        "chmod 600 /srv/app/conf/app.conf",
        "chmod 644 /srv/app/conf/app.conf",
        "-rw------- 0:1002 1 0:0 '/srv/app/conf/app.conf'",
    )
    .await;
}

#[tokio::test]
async fn a_lost_acl_is_seen() {
    let file = "/srv/app/conf/secret.key";
    let lose = format!("getfacl -p {file} > /run/acl; setfacl -b {file}");
    check_seen(&lose, "setfacl --restore=/run/acl; rm /run/acl", "system.posix_acl_access").await;
}

#[tokio::test]
async fn a_lost_capability_is_seen() {
    let file = "/srv/app/capable";
    let (lose, restore) = (format!("setcap -r {file}"), format!("setcap cap_net_raw=ep {file}"));
    check_seen(&lose, &restore, "security.capability").await;
}

#[tokio::test]
async fn an_immutable_file_is_seen() {
    check_seen("chattr +i /ext/app/suid", "chattr -i /ext/app/suid", "/ext/app/suid").await;
}

#[tokio::test]
async fn space_of_an_unlinked_file_is_seen() {
    let hold = "systemd-run -q --collect --unit=hold sh -c 'exec 9> /data/f; rm /data/f; \
                fallocate -l 10M /proc/self/fd/9; touch /run/held; sleep 60'; \
                while [ ! -e /run/held ]; do sleep 0.05; done; rm /run/held";
    check_seen(hold, "systemctl stop hold", "/data 10 MiB used").await;
}

#[tokio::test]
async fn a_file_that_is_left_behind_is_seen_wherever_it_is() {
    for folder in ["/etc", "/run", "/run/systemd/system", "/tmp", "/var/lib", "/data", "/ext", "/dev/shm"] {
        let file = format!("{folder}/left behind");
        check_seen(&format!("touch '{file}'"), &format!("rm '{file}'"), &file).await;
    }
}

#[tokio::test]
async fn a_firewall_rule_is_seen() {
    check_seen(
        "nft 'table inet left { chain c { type filter hook input priority 0; tcp dport 9 drop; }; }'",
        "nft delete table inet left",
        "tcp dport 9 drop",
    )
    .await;
}

#[tokio::test]
async fn a_rule_of_iptables_is_seen() {
    // The tool makes its tables when it is first used; they stay.
    let undo = "iptables -w 5 -D INPUT -p tcp --dport 9 -j DROP; nft delete table ip filter";
    check_seen("iptables -w 5 -A INPUT -p tcp --dport 9 -j DROP", undo, "--dport 9 -j DROP").await;
}

#[tokio::test]
async fn a_queueing_discipline_is_seen() {
    check_seen(
        "tc qdisc add dev eth0 root tbf rate 100mbit burst 32k latency 50ms",
        "tc qdisc del dev eth0 root",
        "qdisc tbf",
    )
    .await;
}

#[tokio::test]
async fn a_stopped_unit_is_seen_with_what_fell_with_it() {
    let start = "systemctl start app-base app-needs app-part";
    check_seen("systemctl stop app-base", start, "app-needs.service loaded inactive dead").await;
}

#[tokio::test]
async fn a_drop_in_is_seen() {
    let folder = "/run/systemd/system/nginx.service.d";
    let add = format!(
        "mkdir -p {folder}; printf '[Unit]\\nConditionPathExists=/no\\n' > {folder}/no.conf; systemctl daemon-reload"
    );
    check_seen(&add, &format!("rm -r {folder}; systemctl daemon-reload"), "DropInPaths=/run/systemd/system")
        .await;
}

#[tokio::test]
async fn a_timer_is_seen() {
    check_seen(
        "systemd-run -q --collect --unit=left --on-active=1h true",
        "systemctl stop left.timer",
        "left.timer loaded active waiting",
    )
    .await;
}

#[tokio::test]
async fn a_process_is_seen_and_so_is_a_stopped_one() {
    let start = "setsid sleep 12345 < /dev/null > /dev/null 2>&1 9<&- &";
    check_seen(start, "pkill -f 'sleep 12345'", "- root sleep 12345").await;
    let (stop, go) = ("pkill -STOP -f 'nc -lk'; sleep 0.1", "pkill -CONT -f 'nc -lk'; sleep 0.1");
    check_seen(stop, go, "T plain /bin/nc -lk").await;
}

#[tokio::test]
async fn a_mount_is_seen() {
    check_seen("mount -t tmpfs left /srv", "umount /srv", "left /srv tmpfs").await;
}

#[tokio::test]
async fn an_address_is_seen() {
    let (add, remove) = ("ip addr add 10.9.9.9/32 dev lo", "ip addr del 10.9.9.9/32 dev lo");
    check_seen(add, remove, "10.9.9.9/32").await;
}

#[tokio::test]
async fn a_restarted_service_is_the_same() {
    let Some(host) = fresh("any").await else { return };
    let before = host.snapshot().await;
    host.sh("systemctl restart nginx postgresql; systemctl daemon-reload; systemctl daemon-reexec").await;
    host.assert_same(&before).await;
}

#[test]
fn a_line_that_is_there_more_often_is_a_difference() {
    let snapshot = |processes: &str| {
        HostSnapshot::parse(&format!(
            "=== files\na\n=== contents\nb\n=== processes\n{processes}=== mounts\nc\n=== links\nd\n=== end\n"
        ))
    };
    let (one, two) = (snapshot("sleep\n"), snapshot("sleep\nsleep\n"));
    assert_eq!(one.diff(&one), "");
    assert_eq!(one.diff(&two), "+ processes: sleep\n");
    assert_eq!(two.diff(&one), "- processes: sleep\n");
}
