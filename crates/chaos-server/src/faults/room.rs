//! What may be taken of a file system: the checks that all faults share which fill one.

use std::fmt;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Claim, Failure, FaultError, Misfit};
use serde::{Deserialize, Serialize};

use super::size::show;
use crate::discovery::mounts::{self, Mount, Place, holder};
use crate::target::ServerTarget;

/// Directories that the host, and our own undo, need room in. A mount that holds one of them is never filled up.
const NEEDED: [&str; 5] = ["/", "/run", "/var/lib", "/etc", "/var/log"];
/// Room that stays on such a mount whatever is asked for.
pub(super) const NEEDED_FREE: u64 = 64 << 20;
/// Inodes that stay on such a mount whatever is asked for.
pub(super) const NEEDED_INODES: u64 = 1_000;
/// Memory that stays on the host when a file system in memory is filled, unless a twentieth is more.
const MEMORY_FREE_MIN: u64 = 256 << 20;

/// The directory on a file system that is filled, as a step keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// The directory, without symbolic links.
    pub dir: String,
    /// Its device and inode, as `stat` prints them: it must still be this one.
    pub identity: String,
    /// The directory as a person wrote it, where that leads through a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
    /// The mount point.
    pub mount: String,
    /// The type of the file system.
    pub file_system: String,
}

impl Spot {
    /// Keeps a place that was found for a path that a person wrote.
    pub(super) fn new(place: Place, written: &str) -> Self {
        let is_same = place.real == written.trim_end_matches('/');
        Self {
            dir: place.real,
            identity: place.identity,
            written: (!is_same).then(|| written.to_owned()),
            mount: place.mount.point,
            file_system: place.mount.kind,
        }
    }

    /// Returns the paths that policy must know of.
    pub(super) fn names(&self) -> Vec<TargetName> {
        let dir = Some(&self.dir).filter(|dir| **dir != self.mount);
        let paths = [&self.mount].into_iter().chain(dir);
        paths.map(|path| TargetName::new(NameKind::Path, path.clone())).collect()
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.mount, self.file_system)?;
        if self.dir != self.mount {
            write!(f, ", in `{}`", self.dir)?;
        }
        match &self.written {
            Some(written) => write!(f, "; `{written}` leads there through a symbolic link"),
            None => Ok(()),
        }
    }
}

/// Finds the directory and refuses a file system that cannot be filled and emptied again with certainty.
pub(super) async fn place(target: &ServerTarget, path: &str) -> Result<Place, FaultError> {
    if let Some(container) = target.container() {
        let what = format!("fill a file system of the container `{}`", container.name);
        let hint = "this fault acts on hosts; leave out `container`";
        return Err(FaultError::Preflight(Failure::new(what).hint(hint)));
    }
    target.require(&["stat"])?;
    let place = mounts::place(target.host(), path).await?;
    match refusal(&place.mount) {
        Some(why) => Err(refuse(&place, why)),
        None if !place.is_writable => Err(refuse(&place, "no file can be made there")),
        None => Ok(place),
    }
}

/// Refuses a path that means nothing on any host, or something else everywhere.
pub(super) fn check_path(key: &str, path: &str) -> Result<(), Misfit> {
    let why = if !path.starts_with('/') {
        format!("`{key}` must be an absolute path")
    } else if path.contains('\0') {
        format!("`{key}` holds a zero byte")
    } else {
        return Ok(());
    };
    Err(Misfit::new(why).at(key).hint("write a path that begins with `/`, such as `/tmp`"))
}

/// Refuses goals of which only one can be reached. Each has its key, and whether it is given; the last one given is too much.
pub(super) fn several_goals(goals: &[(&str, bool)]) -> Misfit {
    let given: Vec<&str> = goals.iter().filter(|(_, is_given)| *is_given).map(|(key, _)| *key).collect();
    let (last, others) = given.split_last().map_or(("", given.as_slice()), |(last, others)| (*last, others));
    let known: Vec<_> = goals.iter().map(|(key, _)| format!("`{key}`")).collect();
    let misfit = Misfit::new(format!("`{last}` excludes `{}`", others.join("` and `"))).at(last);
    misfit.hint(format!("give only one of {}", known.join(", ")))
}

/// Refuses a `leave_free` that is less than what stays free in any case.
pub(super) fn below_reserve(keep: &str, is_given: bool) -> Misfit {
    let reserve = if is_given { "`keep_free`" } else { "the reserve, which is at least" };
    let why = format!("`leave_free` must not be less than {reserve} {keep}");
    Misfit::new(why).at("leave_free").hint("leave more free, or make `keep_free` smaller")
}

fn refusal(mount: &Mount) -> Option<&'static str> {
    if mount.is_read_only() {
        return Some("it is mounted read-only");
    }
    if mount.is_remote() {
        return Some("it is not on the host itself, so others would be hit too");
    }
    if mount.is_pseudo() {
        return Some("it is a part of the kernel and holds no files");
    }
    match mount.kind.as_str() {
        "overlay" | "overlayfs" | "aufs" | "unionfs" => {
            Some("it is made of others; name the mount that is below it")
        }
        "squashfs" | "iso9660" | "erofs" | "cramfs" => Some("nothing can be written to it"),
        "ramfs" => Some("it has no size and would take all memory"),
        _ => None,
    }
}

/// Refuses to fill a place, and says which mount it is on.
pub(super) fn refuse(place: &Place, why: impl Into<String>) -> FaultError {
    let what = format!("fill `{}` ({}, mounted at `{}`)", place.real, place.mount.kind, place.mount.point);
    FaultError::Preflight(Failure::new(what).source(why.into()))
}

/// Returns whether the host, or our undo, needs room on this mount.
pub(super) fn is_needed(place: &Place) -> bool {
    let same =
        |path: &&str| holder(&place.mounts, path).is_some_and(|mount| mount.device == place.mount.device);
    NEEDED.iter().any(same)
}

/// Refuses to take so much memory that the host would start to kill processes.
pub(super) fn check_memory(place: &Place, bytes: u64) -> Result<(), FaultError> {
    let keep = MEMORY_FREE_MIN.max(place.memory / 20);
    let left = place.memory_available.saturating_sub(keep);
    if !place.mount.is_memory() || bytes <= left {
        return Ok(());
    }
    let why = format!(
        "it is in memory: {} of the {} that are available there, and {} must stay",
        show(bytes),
        show(place.memory_available),
        show(keep)
    );
    Err(refuse(place, why))
}

/// What a step that fills a mount claims of it: two of them would each count on the same room.
pub(super) fn claim(mount: &str, what: &str) -> Claim {
    Claim { resource: format!("{what} of mount {mount}"), access: chaos_core::Access::BlockWrites }
}
