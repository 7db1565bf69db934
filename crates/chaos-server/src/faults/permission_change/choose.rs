//! Which files are changed, and whether each of them can be changed back.

use std::collections::BTreeSet;
use std::path::Path;

use chaos_core::{Failure, FaultError, Misfit, PrepareContext};
use chaos_host::{Limits, Script};

use super::protect::Protected;
use super::{File, PATHS_MAX, Params, Step};
use crate::discovery::mounts::{self, Mount, holder, is_below};
use crate::discovery::services;
use crate::faults::units::Guard;
use crate::target::ServerTarget;

const FIND: &str = include_str!("find.sh");
const CONFIG: &str = include_str!("config.sh");

/// Room for the names and numbers of the most files.
const OUTPUT_MAX: usize = 32 << 20;

/// What was found of the paths.
struct Found {
    names: Vec<String>,
    facts: Vec<Facts>,
    /// What time it is on the host, in nanoseconds since 1970, if it knows that.
    now: Option<u64>,
    immutable: String,
    homes: Vec<String>,
    mounts: Vec<Mount>,
}

/// What the host says of one file.
struct Facts {
    /// DEVICE:INODE:UID:GID:MODE.
    key: String,
    /// How many names it has.
    links: u64,
    /// When it was made, in nanoseconds since 1970; not every file system and not every `stat` knows that.
    born: Option<u64>,
}

impl Facts {
    /// Reads `KEY LINKS SECONDS.NANOSECONDS`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (key, links) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let born = words.next().and_then(|time| time.split_once('.')).filter(|(_, parts)| parts.len() == 9);
        let born = born.and_then(|(seconds, parts)| format!("{seconds}{parts}").parse().ok());
        Some(Self { key, links, born: born.filter(|born| *born > 0) })
    }

    /// Returns DEVICE:INODE.
    fn inode(&self) -> &str {
        self.key.match_indices(':').nth(1).map_or(self.key.as_str(), |(end, _)| &self.key[..end])
    }
}

/// Returns whether a file on this mount keeps the time it was made at when its mode changes. An overlay makes a new file of it.
fn keeps_births(mount: &Mount) -> bool {
    matches!(mount.kind.as_str(), "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "tmpfs" | "f2fs")
}

/// Refuses parameters that make no sense on any host.
pub(super) fn check(params: &Params) -> Result<(), Misfit> {
    hygienic(&params.paths)?;
    if (1..=PATHS_MAX).contains(&params.max_paths) {
        return Ok(());
    }
    Err(Misfit::new(format!("`max_paths` must be 1 to {PATHS_MAX}")).at("max_paths"))
}

/// Makes the one step of these parameters.
pub(super) async fn step(
    cx: &PrepareContext,
    target: &ServerTarget,
    params: Params,
) -> Result<Step, FaultError> {
    if let Some(container) = target.container() {
        let what = format!("change permissions in the container `{}`", container.name);
        return Err(preflight(what, "this fault acts on hosts; leave out `container`"));
    }
    target.require(&["find", "stat", "xargs", "awk"])?;
    let (roots, services) = if params.paths.is_empty() {
        configuration(cx, target).await?
    } else {
        (hygienic(&params.paths)?, Vec::new())
    };
    let found = find(target, &roots, &params).await?;
    let protected = Protected::new(found.mounts.clone(), found.homes.clone());
    let mut on = BTreeSet::new();
    let mut files = Vec::new();
    // A directory and one below it may both be named, and one mount may show what another does; what is in both is one file.
    let mut seen = BTreeSet::new();
    let once = found.names.iter().zip(&found.facts).filter(|(_, facts)| seen.insert(facts.inode()));
    // That of the newest, as long as that of each is known.
    let mut born = Some(0);
    for (name, facts) in once {
        // What was chosen for a service is left out where it is protected; what was named is refused.
        match (refusal(name, facts, &found, &protected), services.is_empty()) {
            (None, _) => {}
            (Some(why), true) => return Err(preflight(format!("change the mode of `{name}`: {why}"), "")),
            (Some(_), false) => continue,
        }
        on.extend(holder(&found.mounts, name).map(|mount| mount.point.clone()));
        files.push(File(name.clone(), facts.key.clone()));
        let since = facts.born.filter(|_| holder(&found.mounts, name).is_some_and(keeps_births));
        born = born.zip(since).map(|(newest, born)| newest.max(born));
    }
    let all = files.len();
    let new = format!("{:03x}", params.mode);
    files.retain(|file| file.bits() != new);
    if files.is_empty() {
        let what = format!("find anything to change: {all} paths, and all have the mode {:03o}", params.mode);
        return Err(preflight(what, "choose another `mode`, or other `paths`"));
    }
    files.sort_by(|a, b| {
        let order = |file: &File| (file.0.contains('\n'), file.bits().to_owned());
        order(a).cmp(&order(b))
    });
    Ok(Step {
        mode: params.mode,
        unchanged: all - files.len(),
        files,
        roots,
        recursive: params.recursive && services.is_empty(),
        services,
        boot: target.facts().boot_id.clone(),
        mounts: on.into_iter().collect(),
        // One from the future, as a disk of another machine may hold, is newer than what is made next.
        born: born.zip(found.now).filter(|(newest, now)| newest < now).map(|(newest, _)| newest),
    })
}

fn preflight(what: String, hint: &str) -> FaultError {
    let failure = Failure::new(what);
    FaultError::Preflight(if hint.is_empty() { failure } else { failure.hint(hint) })
}

/// Returns the paths as they are compared; one that cannot mean one thing only is refused.
fn hygienic(paths: &[String]) -> Result<Vec<String>, Misfit> {
    let mut seen = BTreeSet::new();
    let mut clean = Vec::new();
    for (place, written) in paths.iter().enumerate() {
        let path = if written == "/" { "/" } else { written.trim_end_matches('/') };
        let why = if !written.starts_with('/') {
            "each path in `paths` must be absolute"
        } else if path.contains('\0') {
            "no path in `paths` may hold a zero byte"
        } else if path != "/" && path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
            "no path in `paths` may hold an empty part, `.` or `..`"
        } else {
            if seen.insert(path.to_owned()) {
                clean.push(path.to_owned());
            }
            continue;
        };
        let hint = "write absolute paths, such as `/etc/nginx/nginx.conf`";
        return Err(Misfit::new(why).at("paths").item(place).hint(hint));
    }
    Ok(clean)
}

/// Finds the configuration files of the running services that the experiment may touch.
async fn configuration(
    cx: &PrepareContext,
    target: &ServerTarget,
) -> Result<(Vec<String>, Vec<String>), FaultError> {
    let refuse = |why: &str, hint: &str| Err(FaultError::Params(Failure::new(why).hint(hint)));
    if !target.discovery().enabled {
        return refuse(
            "choose files without discovery",
            "name `paths`, or set `enabled: true` below `discovery`",
        );
    }
    if cx.filter.is_empty() {
        return refuse(
            "choose files of any service",
            "name `paths`, or say which services in `resource_filters`",
        );
    }
    target.require_systemd()?;
    let units = services::units(target.host(), &[]).await?;
    let guard = Guard::new(target, &units, &cx.filter)?;
    let chosen = units.iter().filter(|unit| unit.is_running_service() && guard.refusal(unit).is_none());
    let chosen: Vec<String> = chosen.map(|unit| unit.id.clone()).collect();
    let script = Script::new(CONFIG).args(&chosen);
    let output = target.host().must("find the configuration of services", &script, limits()).await?;
    let paths: BTreeSet<String> = output.fields().into_iter().flatten().collect();
    if paths.is_empty() {
        let what =
            format!("find configuration files of {} running services that may be touched", chosen.len());
        return Err(preflight(what, "see `resource_filters` and `exclude_services`, or name `paths`"));
    }
    Ok((paths.into_iter().collect(), chosen))
}

fn limits() -> Limits {
    Limits { output: OUTPUT_MAX, ..Limits::default() }
}

async fn find(target: &ServerTarget, roots: &[String], params: &Params) -> Result<Found, FaultError> {
    let script = Script::new(FIND)
        .set("recursive", if params.recursive { "1" } else { "0" })
        .set("most", params.max_paths.to_string())
        .args(roots);
    let output = target.host().run(&script, limits()).await?;
    if output.status == 65 {
        return Err(preflight(format!("change permissions: {}", output.stderr), ""));
    }
    let output = output.must("look at the paths")?;
    let unreadable = || FaultError::Target(Failure::new("understand what the host says of the paths"));
    let mut fields = output.stdout.split(|byte| *byte == 0);
    let mut names = Vec::new();
    for field in fields.by_ref().take_while(|field| !field.is_empty()) {
        let Ok(name) = std::str::from_utf8(field) else {
            let shown = String::from_utf8_lossy(field);
            return Err(preflight(
                format!("use the path `{shown}`: it is not UTF-8, and could not be written down"),
                "",
            ));
        };
        names.push(name.to_owned());
    }
    let mut next =
        || fields.next().map(|field| String::from_utf8_lossy(field).into_owned()).ok_or_else(unreadable);
    let facts = next()?;
    let facts: Vec<_> = facts.lines().map(Facts::parse).collect::<Option<_>>().ok_or_else(unreadable)?;
    if facts.len() != names.len() {
        return Err(FaultError::Busy(Failure::new("look at the paths: they change meanwhile")));
    }
    let now = next()?.parse().ok();
    let immutable = next()?;
    let homes = next()?.lines().map(str::to_owned).collect();
    let mounts = mounts::parse(fields.next().ok_or_else(unreadable)?);
    let roots: BTreeSet<&str> = roots.iter().map(String::as_str).collect();
    let meant = names.into_iter().zip(facts).filter(|(name, _)| is_on_mount_of_root(name, &roots, &mounts));
    let (names, facts) = meant.unzip();
    Ok(Found { names, facts, now, immutable, homes, mounts })
}

/// Returns whether a path that was found below a root lies on the same mount. A mount below a root is another one from its
/// directory on, and so is one that shows a part of the same file system.
fn is_on_mount_of_root(name: &str, roots: &BTreeSet<&str>, mounts: &[Mount]) -> bool {
    let Some(mount) = holder(mounts, name) else { return true };
    let above = Path::new(name).ancestors().filter_map(Path::to_str);
    above.take_while(|path| is_below(path, &mount.point)).any(|path| roots.contains(path))
}

/// Returns why one file is left alone.
fn refusal(name: &str, facts: &Facts, found: &Found, protected: &Protected) -> Option<String> {
    if let Some(why) = protected.reason(name) {
        return Some(why);
    }
    let mount = holder(&found.mounts, name)?;
    if mount.is_read_only() {
        return Some(format!("`{}` is mounted read-only", mount.point));
    }
    if mount.is_remote() || mount.is_pseudo() {
        return Some(format!("`{}` ({}) is not a file system of this host", mount.point, mount.kind));
    }
    if name == found.immutable {
        return Some("it is immutable or append-only (`lsattr`), so its mode cannot be changed".to_owned());
    }
    let links = facts.links;
    let is_file = facts.key.rsplit(':').next().is_some_and(|raw| raw.starts_with('8'));
    if is_file && links > 1 {
        return Some(format!("it has {links} names (hard links), and would change under all of them"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_a_file_was_made_is_known_or_not() {
        for (line, born) in [
            ("7:8:0:0:81a4 1 1795324532.884656714", Some(1_795_324_532_884_656_714)),
            ("7:8:0:0:81a4 1 0.000000000", None),
            ("7:8:0:0:81a4 1 -", None),
            ("7:8:0:0:81a4 1 ?", None),
            ("7:8:0:0:81a4 1 1795324532", None),
            ("7:8:0:0:81a4 1 .9W", None),
            ("7:8:0:0:81a4 1", None),
        ] {
            let facts = Facts::parse(line).unwrap();
            assert_eq!((facts.key.as_str(), facts.links, facts.born), ("7:8:0:0:81a4", 1, born), "{line}");
        }
        assert!(Facts::parse("7:8:0:0:81a4").is_none());
    }

    #[test]
    fn a_mount_below_a_root_is_not_meant_unless_it_is_named_too() {
        let mount = |point: &str| Mount { point: point.to_owned(), ..Mount::default() };
        let mounts = [mount("/"), mount("/srv"), mount("/srv/a/deep")];
        let is_meant =
            |name: &str, roots: &[&str]| is_on_mount_of_root(name, &roots.iter().copied().collect(), &mounts);
        for (name, roots, expected) in [
            ("/srv/a/x", &["/srv/a"][..], true),
            ("/srv/a", &["/srv/a"], true),
            ("/srv", &["/srv"], true),
            ("/srv/a/deep", &["/srv/a"], false),
            ("/srv/a/deep/x", &["/srv/a"], false),
            ("/srv/a/deep/x", &["/srv/a", "/srv/a/deep"], true),
            ("/srv/a/deep", &["/srv/a", "/srv/a/deep/x"], false),
            ("/srv/x", &["/"], false),
            ("/etc/x", &["/"], true),
            ("/srv/a/deeper", &["/srv/a"], true),
        ] {
            assert_eq!(is_meant(name, roots), expected, "{name} {roots:?}");
        }
    }
}
