//! What was found on a host, as tables for people.

use chaos_core::InventoryTable;

use super::Found;
use super::mounts::Mount;
use super::services::{Unit, Units};
use super::survey::{Port, Survey};
use crate::target::Facts;

/// Makes the tables, in reading order.
pub(super) fn tables(facts: &Facts, found: &Found) -> Vec<InventoryTable> {
    let mut tables = vec![host(facts, &found.survey), modules(&found.survey)];
    if let Some(units) = &found.units {
        tables.push(services(found, units));
    }
    tables.push(ports(&found.survey, found.units.as_ref()));
    tables.push(mounts(&found.mounts));
    tables.push(users(&found.survey));
    if !found.survey.containers.is_empty() {
        tables.push(containers(&found.survey));
    }
    if !found.gaps.is_empty() {
        let rows = found.gaps.iter().map(|(part, why)| vec![part.clone(), why.clone()]).collect();
        tables.push(table("Not read", &["part", "why"], rows));
    }
    tables
}

fn table(title: &str, columns: &[&'static str], rows: Vec<Vec<String>>) -> InventoryTable {
    InventoryTable { title: title.to_owned(), columns: columns.to_vec(), rows }
}

fn host(facts: &Facts, survey: &Survey) -> InventoryTable {
    let init = if survey.systemd.is_empty() { &survey.init } else { &survey.systemd };
    let peer = facts.peer.as_ref();
    let peer = peer.map_or_else(String::new, |peer| format!("{}, to port {}", peer.address, peer.port));
    let acts = if facts.is_root { "root".to_owned() } else { format!("{}, not root", facts.user) };
    let rows = [
        ("name", facts.hostname.clone()),
        ("system", facts.os.clone()),
        ("kernel", facts.kernel.clone()),
        ("init", init.clone()),
        ("processors", survey.cpus.to_string()),
        ("memory", rough(survey.memory_kib * 1024)),
        ("up for", uptime(survey.uptime_seconds)),
        ("control groups", format!("{}: {}", survey.cgroup.version, survey.cgroup.controllers.join(" "))),
        ("scripts run as", acts),
        ("we come from", peer),
        ("we are in", facts.own_units.join(" ")),
        ("tools", facts.tools.join(" ")),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    table("Host", &["fact", "value"], rows.map(|(fact, value)| vec![fact.to_owned(), value]).collect())
}

/// Shows a size as people compare sizes.
fn rough(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size),
        None => format!("{bytes} bytes"),
    }
}

fn uptime(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3600, seconds / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, _) => format!("{hours} h"),
        (days, _, _) => format!("{days} days"),
    }
}

fn modules(survey: &Survey) -> InventoryTable {
    let rows = survey.modules.iter().map(|(name, state)| vec![name.clone(), state.clone()]).collect();
    table("Kernel modules", &["module", "state"], rows)
}

fn services(found: &Found, units: &Units) -> InventoryTable {
    let row = |unit: &Unit| {
        let alone = found.left_alone.get(&unit.id).cloned().unwrap_or_default();
        let state = format!("{} ({})", unit.active_state, unit.sub_state);
        vec![unit.id.clone(), state, unit.unit_file_state.clone(), unit.stops.join(" "), alone]
    };
    let is_shown = |unit: &&Unit| unit.kind() == "service" && unit.load_state == "loaded" && unit.is_active();
    let rows = units.iter().filter(is_shown).filter(|unit| found.filter.allows(&unit.id)).map(row).collect();
    table("Services", &["unit", "state", "at boot", "stops with it", "left alone because"], rows)
}

fn ports(survey: &Survey, units: Option<&Units>) -> InventoryTable {
    let row = |port: &Port| {
        let address = std::net::SocketAddr::new(port.address, port.port).to_string();
        let named = port.processes.iter().map(|process| format!("{} ({})", process.name, process.pid));
        vec![
            port.protocol.clone(),
            address,
            shortened(named),
            units.map_or_else(String::new, |units| unit(port, units)),
        ]
    };
    table(
        "Listening ports",
        &["protocol", "address", "processes", "unit"],
        survey.ports.iter().map(row).collect(),
    )
}

fn unit(port: &Port, units: &Units) -> String {
    let mut names: Vec<_> = port
        .processes
        .iter()
        .filter_map(|process| Some(units.of_control_group(&process.cgroup)?.id.as_str()))
        .collect();
    names.dedup();
    names.join(" ")
}

/// Joins at most four; a server may have hundreds of workers.
fn shortened(items: impl Iterator<Item = String>) -> String {
    const SHOWN_MAX: usize = 4;
    let items: Vec<_> = items.collect();
    let shown = items.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    match items.len().checked_sub(SHOWN_MAX) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

fn mounts(mounts: &[Mount]) -> InventoryTable {
    let row = |mount: &Mount| {
        let room = mount.room.map_or_else(Default::default, |room| {
            (rough(room.available), rough(room.size), room.inodes_free.to_string())
        });
        let (point, kind, options) = (mount.point.clone(), mount.kind.clone(), mount.options.join(","));
        vec![point, kind, mount.source.clone(), room.0, room.1, room.2, options]
    };
    // What the kernel shows as files takes no room, and nothing can be filled there.
    let is_shown = |mount: &&Mount| !mount.is_pseudo() && mount.room.is_none_or(|room| room.size > 0);
    let columns = ["mount point", "type", "source", "available", "size", "free inodes", "options"];
    table("File systems", &columns, mounts.iter().filter(is_shown).map(row).collect())
}

fn users(survey: &Survey) -> InventoryTable {
    let rows = survey
        .users
        .iter()
        .map(|user| vec![user.name.clone(), user.uid.to_string(), user.home.clone(), user.shell.clone()]);
    table("Users who can log in", &["user", "uid", "home", "shell"], rows.collect())
}

fn containers(survey: &Survey) -> InventoryTable {
    let rows = survey.containers.iter().map(|container| {
        let id = container.id.chars().take(12).collect();
        let (name, image) = (container.name.clone(), container.image.clone());
        vec![name, container.engine.clone(), image, container.status.clone(), id]
    });
    table("Containers", &["name", "engine", "image", "state", "id"], rows.collect())
}
