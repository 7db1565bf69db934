//! The bare Debian that hosts are copied from: built once, cached by what is in it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::failure::{Context, Failure};
use crate::process;

const SUITE: &str = "bookworm";
/// What hosts have beyond Debian's minimum.
const PACKAGES: &str = "acl,attr,bind9-host,busybox-static,conntrack,cron,crun,curl,dbus,docker.io,e2fsprogs,\
     iproute2,iptables,iputils-ping,kmod,libcap2-bin,libpam-systemd,netavark,netcat-openbsd,nftables,nginx-light,\
     openssh-server,openssh-sftp-server,podman,procps,psmisc,python3-minimal,stress-ng,sudo,systemd,systemd-sysv,\
     util-linux";
/// What nobody reads in a container; half of the image.
const NOT_NEEDED: [&str; 6] = [
    "var/lib/apt/lists",
    "var/cache/apt/archives",
    "usr/share/locale",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
];

/// Returns the image; builds it when there is none.
pub fn ready() -> Outcome<PathBuf> {
    let mut hasher = DefaultHasher::new();
    (SUITE, PACKAGES, NOT_NEEDED).hash(&mut hasher);
    let image = cache()?.join(format!("host-{:016x}", hasher.finish()));
    if !image.exists() {
        build(&image)?;
    }
    Ok(image)
}

fn cache() -> Outcome<PathBuf> {
    let home = std::env::var_os("HOME").ok_or_else(|| {
        Failure::new("find the cache folder").because("the environment variable `HOME` is not set")
    })?;
    let cache = Path::new(&home).join(".cache/chaos-agents");
    fs::create_dir_all(&cache).context(|| format!("create `{}`", cache.display()))?;
    Ok(cache)
}

/// Builds beside its place and moves it there when it is complete, so that a broken build is never taken for an image.
fn build(image: &Path) -> Outcome {
    let partial = image.with_extension("partial");
    remove(&partial)?;
    eprintln!("Building the image of the test hosts, about a minute …");
    process::read(
        Command::new("debootstrap")
            .args(["--variant=minbase", &format!("--include={PACKAGES}"), SUITE])
            .arg(&partial)
            .arg(mirror()?),
    )
    .map_err(|failure| {
        failure.hint(format!("see `{}`", partial.join("debootstrap/debootstrap.log").display()))
    })?;
    for folder in NOT_NEEDED {
        remove(&partial.join(folder))?;
    }
    fs::rename(&partial, image).context(|| format!("move the image to `{}`", image.display()))?;
    remove_others(image)
}

/// Removes the images of former recipes, and what broken builds left.
fn remove_others(image: &Path) -> Outcome {
    let cache = cache()?;
    let entries = fs::read_dir(&cache).context(|| format!("list `{}`", cache.display()))?;
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("host-") && entry.path() != image)
        .try_for_each(|entry| remove(&entry.path()))
}

/// Returns the address that this Debian gets its own packages from.
fn mirror() -> Outcome<String> {
    let files = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| first_address(&text))
        .ok_or_else(|| Failure::new(format!("find a Debian mirror in `{}`", files.join("` or `"))))
}

fn first_address(sources: &str) -> Option<String> {
    sources
        .lines()
        .filter(|line| line.starts_with("URIs:") || line.starts_with("deb "))
        .flat_map(str::split_whitespace)
        .find(|word| word.starts_with("http"))
        .map(str::to_owned)
}

/// Removes a folder that may not be there.
pub fn remove(folder: &Path) -> Outcome {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new(format!("remove `{}`", folder.display())).because(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_sources_are_understood() {
        let new = "Types: deb\n# http://old.example/x\nURIs: http://mirror.example/debian\nSuites: a\n";
        assert_eq!(first_address(new).as_deref(), Some("http://mirror.example/debian"));
        let old =
            "# deb http://old.example/x a\ndeb [signed-by=/k.gpg] https://mirror.example/debian a main\n";
        assert_eq!(first_address(old).as_deref(), Some("https://mirror.example/debian"));
        assert_eq!(first_address("Types: deb\n"), None);
    }
}
