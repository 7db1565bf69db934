//! The mounts of a host, what is mounted there, and how much room is on it.

use chaos_core::{Failure, FaultError};
use chaos_host::{Host, Limits, Script};
use serde::Serialize;

const MOUNTS: &str = include_str!("mounts.sh");

/// File systems that are on another machine, or that ask a program for everything: what is done to them is done elsewhere too.
const REMOTE: &[&str] = &[
    "9p",
    "afs",
    "autofs",
    "beegfs",
    "ceph",
    "cifs",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
    "smbfs",
    "vboxsf",
    "virtiofs",
];
/// File systems that hold no files of anybody's.
const PSEUDO: &[&str] = &[
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// One mount, as it is seen: what a later mount covers is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Where it is. What is not UTF-8 in it is shown as `�`.
    pub point: String,
    /// The directory of its file system that is seen there: `/`, and another one for a bind mount.
    pub root: String,
    /// The numbers of its device: `8:1`.
    pub device: String,
    /// The type of its file system: `ext4`.
    pub kind: String,
    /// What is mounted: `/dev/sda1`.
    pub source: String,
    /// Its options, those of the mount before those of the file system.
    pub options: Vec<String>,
    /// How much room is on it; unknown for file systems on other machines.
    pub room: Option<Room>,
}

/// How much room is on a file system. Available is what is there for others than root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Room {
    /// All bytes that others than root could use, were it empty.
    pub size: u64,
    /// Bytes that are available.
    pub available: u64,
    /// All inodes; 0 where they are not counted.
    pub inodes: u64,
    /// Inodes that are free.
    pub inodes_free: u64,
}

/// Where a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory, with no symbolic link in its path.
    pub real: String,
    /// The numbers of its device and inode, as `stat` prints them: `2049:131073`.
    pub identity: String,
    /// The mount that it is on.
    pub mount: Mount,
    /// Whether files can be made there.
    pub is_writable: bool,
    /// The room there. A quota of the directory makes it less than that of the mount.
    pub room: Room,
    /// All mounts of the host, without their room.
    pub mounts: Vec<Mount>,
    /// All memory of the host in bytes.
    pub memory: u64,
    /// The memory that is available without swapping, in bytes.
    pub memory_available: u64,
}

impl Mount {
    /// Returns whether nothing can be written there.
    pub fn is_read_only(&self) -> bool {
        self.options.iter().any(|option| option == "ro")
    }

    /// Returns whether its files are on another machine, or behind a program.
    pub fn is_remote(&self) -> bool {
        REMOTE.contains(&self.kind.as_str()) || self.kind == "fuse" || self.kind.starts_with("fuse.")
    }

    /// Returns whether it holds no files of anybody's.
    pub fn is_pseudo(&self) -> bool {
        PSEUDO.contains(&self.kind.as_str())
    }

    /// Returns whether what is on it is in memory, and gone after a reboot.
    pub fn is_memory(&self) -> bool {
        matches!(self.kind.as_str(), "tmpfs" | "ramfs" | "devtmpfs")
    }
}

/// Returns the mount that a path without symbolic links is on.
pub fn holder<'a>(mounts: &'a [Mount], path: &str) -> Option<&'a Mount> {
    mounts.iter().filter(|mount| is_below(path, &mount.point)).max_by_key(|mount| mount.point.len())
}

/// Returns whether `path` is `base` or below it. Both are absolute.
pub fn is_below(path: &str, base: &str) -> bool {
    base == "/" || path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the mounts of a host, in the order in which they were made.
///
/// # Errors
/// When the host cannot be asked.
pub async fn mounts(host: &Host) -> Result<Vec<Mount>, FaultError> {
    let script = Script::new(MOUNTS).set("path", "");
    let output = host.must("list the mounts of the host", &script, Limits::default()).await?;
    let mut fields = output.stdout.split(|byte| *byte == 0);
    let listing = fields.next().unwrap_or_default();
    let mut mounts = lines(listing);
    for (mount, text) in mounts.iter_mut().zip(fields.skip(1)) {
        mount.room = room(text);
    }
    Ok(seen(mounts))
}

/// Finds the mount that a directory is on.
///
/// # Errors
/// [`FaultError::Preflight`] when there is no such directory.
pub async fn place(host: &Host, path: &str) -> Result<Place, FaultError> {
    let script = Script::new(MOUNTS).set("path", path);
    let output = host.run(&script, Limits::default()).await?;
    if output.status == 65 {
        let hint = "name a mount point, or a directory on the mount that is meant";
        let failure = Failure::new(format!("find the directory `{path}`")).hint(hint);
        return Err(FaultError::Preflight(failure.source(output.stderr)));
    }
    let output = output.must("find out where a directory is")?;
    let unreadable = || FaultError::Target(Failure::new(format!("understand where `{path}` is")));
    let mut fields = output.stdout.split(|byte| *byte == 0);
    let mut next = || fields.next().ok_or_else(unreadable);
    let mounts = parse(next()?);
    let memory = numbers(next()?);
    let real = std::str::from_utf8(next()?).map_err(|_| not_utf8(path))?.to_owned();
    let identity = String::from_utf8_lossy(next()?).into_owned();
    let room = room(next()?).ok_or_else(unreadable)?;
    let is_writable = next()? == b"1";
    let mount = holder(&mounts, &real).cloned().ok_or_else(unreadable)?;
    let kib = |at: usize| memory.get(at).copied().unwrap_or(0) * 1024;
    Ok(Place { real, identity, mount, is_writable, room, mounts, memory: kib(0), memory_available: kib(1) })
}

fn not_utf8(path: &str) -> FaultError {
    let what =
        format!("use the directory `{path}`: its real path is not UTF-8, and could not be written down");
    FaultError::Preflight(Failure::new(what))
}

/// Reads what `stat -f` says: the size of a block, all blocks, free ones, available ones, all inodes, free ones.
fn room(text: &[u8]) -> Option<Room> {
    match numbers(text).as_slice() {
        // What is free and not available is kept for root; `df` does not count it as a part of the whole either.
        [block, size, free, available, inodes, inodes_free] => Some(Room {
            size: block * (size - size.min(&free.saturating_sub(*available))),
            available: block * available,
            inodes: *inodes,
            inodes_free: *inodes_free,
        }),
        _ => None,
    }
}

fn numbers(text: &[u8]) -> Vec<u64> {
    String::from_utf8_lossy(text).split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// Leaves out what a later mount at the same place covers.
fn seen(mounts: Vec<Mount>) -> Vec<Mount> {
    let mut seen: Vec<Mount> = Vec::with_capacity(mounts.len());
    for mount in mounts {
        seen.retain(|earlier| earlier.point != mount.point);
        seen.push(mount);
    }
    seen
}

/// Reads `/proc/self/mountinfo`, see proc(5). A line that cannot be understood is left out, and what a later mount covers.
pub fn parse(listing: &[u8]) -> Vec<Mount> {
    seen(lines(listing))
}

fn lines(listing: &[u8]) -> Vec<Mount> {
    listing.split(|byte| *byte == b'\n').filter_map(line).collect()
}

fn line(line: &[u8]) -> Option<Mount> {
    let words: Vec<String> = line.split(|byte| *byte == b' ').map(unescape).collect();
    let dash = words.iter().position(|word| word == "-")?;
    let [_, _, device, root, point, options, ..] = &words[..dash] else { return None };
    let [kind, source, of_file_system] = words.get(dash + 1..dash + 4)? else { return None };
    let options = options.split(',').chain(of_file_system.split(','));
    Some(Mount {
        point: point.clone(),
        root: root.clone(),
        device: device.clone(),
        kind: kind.clone(),
        source: source.clone(),
        options: options.map(str::to_owned).collect(),
        room: None,
    })
}

/// Reads a word in which the kernel has written spaces, tabs, line breaks and backslashes as `\040`.
fn unescape(word: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let [first, more @ ..] = rest {
        let octal = more.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(u8::is_ascii_digit));
        match octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[3..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &[u8] = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n\
        30 22 0:26 / /run rw,nosuid - tmpfs tmpfs rw,size=10k\n\
        31 22 8:2 / /my\\040disk\\0121 rw - xfs /dev/sdb\\0401 rw\n\
        32 22 0:40 / /data rw - tmpfs tmpfs rw\n\
        33 32 8:1 /srv/x /data ro,relatime master:1 propagate_from:2 - ext4 /dev/sda1 rw\n\
        nonsense\n";

    #[test]
    fn a_mount_with_spaces_and_line_breaks_in_its_name_is_read_as_it_is() {
        let mounts = parse(LISTING);
        let points: Vec<_> = mounts.iter().map(|mount| mount.point.as_str()).collect();
        assert_eq!(points, ["/", "/run", "/my disk\n1", "/data"]);
        assert_eq!((mounts[2].source.as_str(), mounts[2].kind.as_str()), ("/dev/sdb 1", "xfs"));
    }

    /// Returns what a directory is resolved to when the host's shell is this one.
    fn resolved(shell: &str, path: &str) -> Option<String> {
        let script = Script::new(MOUNTS).set("path", path);
        let text = format!("{}\n{}", Script::prelude(), script.body());
        let output = std::process::Command::new(shell).args(["-c", &text]).output().ok()?;
        let fields = String::from_utf8_lossy(&output.stdout);
        fields.split('\0').nth(2).map(str::to_owned)
    }

    #[test]
    fn a_directory_has_one_name_in_every_shell() {
        for shell in ["sh", "dash", "bash"] {
            if resolved(shell, "/").is_none() {
                continue;
            }
            for (path, expected) in [
                ("/", "/"),
                ("//", "/"),
                ("//proc", "/proc"),
                ("///proc/", "/proc"),
                ("/proc/../proc/.", "/proc"),
            ] {
                assert_eq!(resolved(shell, path).as_deref(), Some(expected), "{shell}: {path}");
            }
        }
    }

    #[test]
    fn what_is_covered_by_a_later_mount_is_not_seen() {
        let mounts = parse(LISTING);
        let data = holder(&mounts, "/data/a").unwrap();
        assert!(data.is_read_only() && !data.is_memory() && data.root == "/srv/x");
    }

    #[test]
    fn a_path_is_on_the_mount_with_the_longest_name_that_leads_to_it() {
        let mounts = parse(LISTING);
        let table =
            [("/", "/"), ("/database", "/"), ("/data", "/data"), ("/run/x", "/run"), ("/runner", "/")];
        for (path, point) in table {
            assert_eq!(holder(&mounts, path).unwrap().point, point, "{path}");
        }
    }
}
