//! Debian packages for the parts of the test world.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::Outcome;
use crate::failure::{Context, Failure};
use crate::process;

/// Parts start side by side; packages are installed one after the other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What `invoke-rc.d` asks before it starts a service. Exit 101 means no: we start our own instances by hand.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs the first of `alternatives` that this Debian has.
///
/// # Errors
/// When we are not root, this is no Debian, or the packages cannot be had.
pub fn install(alternatives: &[&str]) -> Outcome {
    let wanted = alternatives.join("` or `");
    if !process::is_root() {
        return Err(Failure::new(format!("install the package `{wanted}`"))
            .because("only root may install packages")
            .hint(format!(
                "install it yourself, for example with `sudo apt-get install {}`",
                alternatives[0]
            )));
    }
    let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    eprintln!("Installing `{wanted}` …");
    process::read(apt().arg("update"))?;
    let package = alternatives
        .iter()
        .find(|package| process::read(Command::new("apt-cache").arg("show").arg(package)).is_ok())
        .ok_or_else(|| Failure::new(format!("find the package `{wanted}`")))?;
    let _services_stay_down = ServicesStayDown::begin()?;
    process::read(apt().args(["install", "-y", "--no-install-recommends", package]))?;
    Ok(())
}

/// Installs the package of each program that is missing: program and package.
///
/// # Errors
/// When a package cannot be installed.
pub fn install_missing(programs: &[(&str, &str)]) -> Outcome {
    let outside_path = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")];
    for (program, package) in programs {
        if process::find(program, &outside_path).is_none() {
            install(&[package])?;
        }
    }
    Ok(())
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    // Somebody else may be installing something; that ends.
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=300"]);
    command
}

/// While it lives, installed packages do not start their services. A policy that was there before stays.
struct ServicesStayDown {
    is_ours: bool,
}

impl ServicesStayDown {
    fn begin() -> Outcome<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { is_ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")
            .and_then(|()| fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)))
            .context(|| format!("write `{POLICY}`"))?;
        Ok(Self { is_ours: true })
    }
}

impl Drop for ServicesStayDown {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("warning: `{POLICY}` could not be removed: {error}");
        }
    }
}
