//! The kernel of the virtual machine: Debian's own for clouds, which has every module of a real host. Fetched once, never installed
//! here, and cached by what is in it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::image;
use crate::Outcome;
use crate::env::debian;
use crate::failure::{Context, Failure};
use crate::process;

/// Depends on the newest kernel, whose name changes.
const NEWEST: &str = "linux-image-cloud-amd64";
/// Loads modules for the kernel; containers need none of it.
const LOADER: &str = "kmod";
/// What it takes to find the disks, in the order in which it loads.
const MODULES: &str = "virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk";

/// Returns a folder with `vmlinuz`, `initramfs`, `lib/modules` and `kmod.deb`; makes it when there is none.
pub fn ready(image: &Path) -> Outcome<PathBuf> {
    let mut hasher = DefaultHasher::new();
    (image::SUITE, NEWEST, LOADER, MODULES).hash(&mut hasher);
    (include_str!("virtual/initramfs.sh"), include_str!("virtual/init.sh")).hash(&mut hasher);
    let folder = image::cache()?.join(format!("kernel-{:016x}", hasher.finish()));
    if !folder.exists() {
        make(&folder, image)?;
    }
    Ok(folder)
}

/// Makes it beside its place and moves it there when it is complete.
fn make(folder: &Path, image: &Path) -> Outcome {
    let partial = folder.with_extension("partial");
    image::remove(&partial)?;
    fs::create_dir_all(&partial).context(|| format!("create `{}`", partial.display()))?;
    eprintln!("Fetching the kernel of the virtual test host …");
    fetch(&partial)?;
    process::read(
        Command::new("sh")
            .args(["-c", include_str!("virtual/initramfs.sh"), "initramfs"])
            .args([&partial, image])
            .args([include_str!("virtual/init.sh"), MODULES]),
    )?;
    fs::rename(&partial, folder).context(|| format!("move the kernel to `{}`", folder.display()))?;
    image::remove_others("kernel-", folder)
}

/// Downloads the packages as `kernel.deb` and `kmod.deb`. They come from the Debian that hosts are, whichever this machine is, so apt
/// is given lists of its own.
fn fetch(folder: &Path) -> Outcome {
    let _alone = debian::alone();
    let lists = folder.join("lists");
    let source = folder.join("sources");
    fs::create_dir_all(lists.join("partial")).context(|| format!("create `{}`", lists.display()))?;
    fs::write(&source, format!("deb {} {} main\n", image::mirror()?, image::SUITE))
        .context(|| format!("write `{}`", source.display()))?;
    let apt = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(folder);
        for option in [
            format!("Dir::Etc::SourceList={}", source.display()),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", lists.display()),
            "Dir::Cache::pkgcache=".to_owned(),
            "Dir::Cache::srcpkgcache=".to_owned(),
            // The folder is below our home, which the user that apt downloads as may not enter.
            "APT::Sandbox::User=root".to_owned(),
            "APT::Update::Error-Mode=any".to_owned(),
            "Acquire::Retries=3".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        process::read(command.args(arguments))
    };
    apt("apt-get", &["update"])?;
    let depends = apt("apt-cache", &["depends", NEWEST])?;
    let newest = depends
        .lines()
        .find_map(|line| {
            line.trim().strip_prefix("Depends: ").filter(|name| name.starts_with("linux-image-"))
        })
        .ok_or_else(|| Failure::new(format!("find the kernel that `{NEWEST}` stands for")))?;
    for (package, name) in [(newest, "kernel.deb"), (LOADER, "kmod.deb")] {
        apt("apt-get", &["download", package])?;
        rename_package(folder, package, name)?;
    }
    image::remove(&lists)
}

/// Gives a package that was just downloaded a name without its version.
fn rename_package(folder: &Path, package: &str, name: &str) -> Outcome {
    let what = || format!("find the package `{package}` in `{}`", folder.display());
    let prefix = format!("{package}_");
    let found = fs::read_dir(folder)
        .context(what)?
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .ok_or_else(|| Failure::new(what()))?;
    fs::rename(found.path(), folder.join(name)).context(what)
}
