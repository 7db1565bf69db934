//! One host: its root, its disk, its start and its end.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Host, Init, image, inventory, keys, network, virtual_machine};
use crate::Outcome;
use crate::failure::{Context, Failure};
use crate::process;

/// A boot takes a second on an idle machine; a busy one may be very busy.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The same for a host with a kernel of its own, which boots in ten.
const READY_WITHIN_VIRTUAL: Duration = Duration::from_secs(180);
/// Until there is a process at all.
const STARTED_WITHIN: Duration = Duration::from_secs(20);
/// An answer that has not come by then never will.
const ANSWERED_WITHIN: &str = "30";
/// Some services of a host are slow to stop on purpose.
const DOWN_WITHIN: Duration = Duration::from_secs(30);
/// A file system of a host: file, folder, size, inodes. All of them are small, so that a test that fills one fills neither
/// this machine's disk nor an afternoon.
type Disk = (&'static str, &'static str, &'static str, &'static str);
const ROOT_DISK: Disk = ("root.img", "root", "2G", "65536");
/// Mounted at `/ext`. Keeps its files over a reboot, unlike a tmpfs.
const EXT_DISK: Disk = ("ext.img", "ext", "256M", "16384");
/// What a host may take of this machine's memory and processes.
const MEMORY_MAX: u64 = 4 << 30;
const PIDS_MAX: u32 = 8192;

/// Makes the host afresh and boots it. Does nothing when it is up.
pub fn up(host: &Host, image: &Path) -> Outcome {
    // One that a test reboots just now will be ready.
    let is_settled = || supervisor(host).is_none() || is_ready(host);
    if process::wait_for("the host answer", ready_within(host), is_settled).is_ok()
        && supervisor(host).is_some()
    {
        return Ok(());
    }
    let see = || {
        let log = |name: &str| host.folder().join(name).display().to_string();
        format!("see `{}` and `{}`", log("console.log"), log("supervisor.log"))
    };
    boot(host, image).map_err(|failure| failure.hint(see()))
}

fn boot(host: &Host, image: &Path) -> Outcome {
    down(host)?;
    make(host, image)?;
    if host.init == Init::Virtual {
        virtual_machine::furnish(&host.root())?;
        for disk in [ROOT_DISK, EXT_DISK] {
            write_disk(&host.folder(), disk)?;
        }
        start(host, &mut virtual_machine::plugged_in(host)?)?;
    } else {
        write_config(host)?;
        let folder = host.folder();
        start(host, Command::new("setsid").arg(folder.join("supervise")).arg(&folder))?;
    }
    let what = format!("`{}` answer", host.name);
    process::wait_for(&what, STARTED_WITHIN, || supervisor(host).is_some())?;
    let mut is_up = false;
    process::wait_for(&what, ready_within(host), || {
        is_up = is_ready(host);
        is_up || supervisor(host).is_none()
    })?;
    if is_up { Ok(()) } else { Err(Failure::new(format!("see {what}")).because("it has ended")) }
}

fn ready_within(host: &Host) -> Duration {
    if host.init == Init::Virtual { READY_WITHIN_VIRTUAL } else { READY_WITHIN }
}

/// Powers the host off and takes away what it had of this machine. Its root and its log stay until the next start.
pub fn down(host: &Host) -> Outcome {
    if let Some(pid) = supervisor(host) {
        for process in managers(host, pid) {
            signal("-TERM", &process)?;
        }
        let is_down = || supervisor(host).is_none();
        if process::wait_for("the host power off", DOWN_WITHIN, is_down).is_err() {
            kill_all(host)?;
        }
    }
    clean_up(host)
}

/// Returns the process that keeps the host running, when there is one.
pub fn supervisor(host: &Host) -> Option<u32> {
    let folder = host.folder();
    let pid: u32 = fs::read_to_string(folder.join("supervisor.pid")).ok()?.trim().parse().ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    // It is told its folder, or files in there.
    String::from_utf8_lossy(&line).contains(&format!("{}/", folder.display())).then_some(pid)
}

/// Returns whether the host lets us in and has started all it starts.
pub fn is_ready(host: &Host) -> bool {
    let question = match host.init {
        Init::Systemd | Init::Virtual => "systemctl is-system-running",
        Init::BusyBox => "echo running",
    };
    let patience = if host.init == Init::Virtual { "ConnectTimeout=15" } else { "ConnectTimeout=2" };
    // Once it is connected, ssh waits for ever.
    let mut ssh = Command::new("timeout");
    ssh.args(["-k", "1", ANSWERED_WITHIN, "ssh"])
        .arg("-F")
        .arg(inventory::ssh_config())
        .args(["-o", patience, host.name, question]);
    process::read(&mut ssh).is_ok_and(|answer| answer.trim() == "running")
}

fn make(host: &Host, image: &Path) -> Outcome {
    let (folder, root) = (host.folder(), host.root());
    // A cut network is a test's, not the world's.
    remove(&folder.join("cut"))?;
    for disk in [ROOT_DISK, EXT_DISK] {
        match host.init {
            Init::Virtual => make_place(&folder, disk)?,
            Init::Systemd | Init::BusyBox => make_disk(&folder, disk)?,
        }
    }
    match host.init {
        Init::Systemd | Init::Virtual => make_debian(host, image, &root)?,
        Init::BusyBox => make_busybox(host, image, &root)?,
    }
    // The disk holds the same files as the root, so that a fault can be tried on both.
    process::read(Command::new("cp").arg("-a").arg(root.join("srv/app")).arg(folder.join("ext/app")))
        .map(drop)
}

fn make_debian(host: &Host, image: &Path, root: &Path) -> Outcome {
    process::read(Command::new("cp").arg("-a").arg(image.join(".")).arg(root))?;
    let world = root.join("usr/lib/world");
    fs::create_dir_all(&world).context(|| format!("make the folder `{}`", world.display()))?;
    keys::install(host.name, host.init, root, &world.join("authorized_keys"))?;
    process::read(Command::new("cp").arg(keys::authority()).arg(&world))?;
    write_program(&world.join("boot"), include_str!("boot.sh"))?;
    process::read(
        Command::new("chroot")
            .arg(root)
            .args(["/bin/sh", "-c", include_str!("setup.sh"), "setup", host.name])
            .arg(format!("{:032x}", 0xc4a0_5000_u64 + u64::from(host.number)))
            .arg(network::PEER_NAMES[0].1),
    )
    .map(drop)
}

fn make_busybox(host: &Host, image: &Path, root: &Path) -> Outcome {
    keys::install(host.name, host.init, root, &root.join("authorized_keys"))?;
    process::read(
        Command::new("sh")
            .args(["-c", include_str!("busybox.sh"), "busybox"])
            .args([image, root])
            .arg(host.name),
    )
    .map(drop)
}

/// Makes an empty folder for what [`write_disk`] will put on a disk.
fn make_place(folder: &Path, (_, place, ..): Disk) -> Outcome {
    let place = folder.join(place);
    image::remove(&place)?;
    fs::create_dir_all(&place).context(|| format!("make the folder `{}`", place.display()))
}

/// Puts a folder on a disk, and removes it. Nothing is mounted: a mount lives on in what another host, which starts at the same time,
/// has seen of this machine's mounts, and two systems on one disk destroy it.
fn write_disk(folder: &Path, (file, place, size, inodes): Disk) -> Outcome {
    let (disk, place) = (folder.join(file), folder.join(place));
    remove(&disk)?;
    process::read(Command::new("truncate").args(["-s", size]).arg(&disk))?;
    let mut make = Command::new("mkfs.ext4");
    process::read(make.args(["-q", "-F", "-N", inodes, "-d"]).args([&place, &disk]))?;
    image::remove(&place)
}

/// Makes a file system in a file and mounts it.
fn make_disk(folder: &Path, (file, place, size, inodes): Disk) -> Outcome {
    let (disk, place) = (folder.join(file), folder.join(place));
    fs::create_dir_all(&place).context(|| format!("make the folder `{}`", place.display()))?;
    remove(&disk)?;
    process::read(Command::new("truncate").args(["-s", size]).arg(&disk))?;
    process::read(Command::new("mkfs.ext4").args(["-q", "-F", "-N", inodes]).arg(&disk))?;
    process::read(Command::new("mount").args(["-o", "loop"]).args([&disk, &place])).map(drop)
}

fn write_config(host: &Host) -> Outcome {
    let (init, kill_signal) = match host.init {
        Init::BusyBox => ("/sbin/init", "SIGUSR2"),
        _ => ("/usr/lib/world/boot", "SIGRTMIN+3"),
    };
    let config = format!(
        "name={} veth={} mac={} address={} ipv6={} many={} gateway={} bridge={} init={init} \
         kill_signal={kill_signal} memory_max={MEMORY_MAX} pids_max={PIDS_MAX}\n",
        host.name,
        host.veth(),
        host.mac(),
        host.address(),
        host.ipv6(),
        host.many(),
        network::GATEWAY,
        network::BRIDGE,
    );
    let folder = host.folder();
    fs::write(folder.join("config"), config).context(|| format!("write into `{}`", folder.display()))?;
    write_program(&folder.join("supervise"), include_str!("supervise.sh"))
}

/// Starts what keeps a host running. It outlives us.
fn start(host: &Host, program: &mut Command) -> Outcome {
    let log = host.folder().join("supervisor.log");
    let what = || format!("write `{}`", log.display());
    let output = File::create(&log).context(what)?;
    let errors = output.try_clone().context(what)?;
    program
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map(drop)
        .context(|| format!("start `{}`", host.name))
}

/// Kills what did not end in time. A container's own processes die with its first one; those of a virtual machine are of one group.
fn kill_all(host: &Host) -> Outcome {
    let Some(pid) = supervisor(host) else { return Ok(()) };
    if host.init == Init::Virtual {
        signal("-KILL", &format!("-{pid}"))?;
    }
    for manager in managers(host, pid) {
        for first in manager.parse().map(children).unwrap_or_default() {
            signal("-KILL", &first)?;
        }
        signal("-KILL", &manager)?;
    }
    process::wait_for("the host end", DOWN_WITHIN, || supervisor(host).is_none())
}

fn clean_up(host: &Host) -> Outcome {
    let folder = host.folder();
    for group in fs::read_to_string(folder.join("cgroups")).unwrap_or_default().lines() {
        // Leaves first; a group that is gone is what we want.
        let _ = process::read(
            Command::new("find").arg(group).args(["-depth", "-type", "d", "-exec", "rmdir", "{}", "+"]),
        );
    }
    if host.init == Init::Virtual && supervisor(host).is_none() {
        virtual_machine::unplug(host)?;
    }
    if Path::new("/run/netns").join(host.name).exists() {
        network::ip(&["netns", "del", host.name])?;
    }
    for (_, place, ..) in [ROOT_DISK, EXT_DISK] {
        let place = folder.join(place);
        while process::read(Command::new("mountpoint").arg("-q").arg(&place)).is_ok() {
            process::read(Command::new("umount").arg(&place))?;
        }
    }
    Ok(())
}

/// Returns the processes that end the host when they are asked to: the container's manager, in order; the kernel of a virtual machine,
/// at once.
fn managers(host: &Host, supervisor: u32) -> Vec<String> {
    if host.init == Init::Virtual { vec![supervisor.to_string()] } else { children(supervisor) }
}

fn children(pid: u32) -> Vec<String> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(str::to_owned).collect()
}

fn signal(name: &str, pid: &str) -> Outcome {
    let outcome = process::read(Command::new("kill").args([name, pid]));
    // It may have ended by itself.
    if Path::new("/proc").join(pid).exists() { outcome.map(drop) } else { Ok(()) }
}

fn write_program(path: &Path, text: &str) -> Outcome {
    fs::write(path, text).context(|| format!("write `{}`", path.display()))?;
    process::read(Command::new("chmod").arg("755").arg(path)).map(drop)
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> Outcome {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new(format!("remove `{}`", path.display())).because(error))
        }
        _ => Ok(()),
    }
}
