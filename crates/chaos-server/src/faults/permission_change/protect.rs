//! What nobody's permissions are changed of, because the host could not be entered or repaired any more.

use crate::discovery::mounts::{Mount, holder, is_below};

/// Nothing at or below these, and nothing that they are below.
const TREES: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc/fstab",
    "/etc/group",
    "/etc/gshadow",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.preload",
    "/etc/login.defs",
    "/etc/nsswitch.conf",
    "/etc/pam.conf",
    "/etc/pam.d",
    "/etc/passwd",
    "/etc/security",
    "/etc/shadow",
    "/etc/shells",
    "/etc/ssh",
    "/etc/sudo.conf",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/systemd",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/run/dbus",
    "/run/sshd",
    "/run/systemd",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/sbin",
    "/var/lib/systemd",
];

/// What our own undo lies in.
const OURS: [&str; 2] = ["/run/chaos_", "/var/lib/chaos_"];

/// What must not be touched on one host.
pub(super) struct Protected {
    mounts: Vec<Mount>,
    homes: Vec<String>,
}

impl Protected {
    /// Takes the mounts of the host and the homes of those who can log in.
    pub(super) fn new(mounts: Vec<Mount>, homes: Vec<String>) -> Self {
        let is_home = |home: &String| home.starts_with('/') && home != "/";
        Self { mounts, homes: homes.into_iter().filter(is_home).collect() }
    }

    /// Returns why the permissions of a path without symbolic links are left alone.
    pub(super) fn reason(&self, path: &str) -> Option<String> {
        if path.split('/').any(|part| part == ".ssh") {
            return Some("keys that let people in lie there".to_owned());
        }
        if OURS.iter().any(|ours| path.starts_with(ours)) {
            return Some("an undo of ours lies there".to_owned());
        }
        if let Some(tree) = TREES.iter().find(|tree| self.is_same_or_below(path, tree)) {
            return Some(format!("the host could not be entered or repaired without `{tree}`"));
        }
        let homes = self.homes.iter().map(String::as_str);
        let inside = TREES.iter().copied().chain(homes).find(|tree| is_below(tree, path));
        inside.map(|tree| format!("nobody would get to `{tree}` any more"))
    }

    /// Returns whether a path is another one or below it, also where a mount shows the same files by another name.
    fn is_same_or_below(&self, path: &str, tree: &str) -> bool {
        if is_below(path, tree) {
            return true;
        }
        match (self.origin(path), self.origin(tree)) {
            (Some((device, path)), Some((other, tree))) => device == other && is_below(&path, &tree),
            _ => false,
        }
    }

    /// Returns the device that a path is on, and its path there.
    fn origin(&self, path: &str) -> Option<(&str, String)> {
        let mount = holder(&self.mounts, path)?;
        let rest = path.strip_prefix(mount.point.trim_end_matches('/')).unwrap_or_default();
        let inside = format!("{}{rest}", mount.root.trim_end_matches('/'));
        Some((&mount.device, if inside.is_empty() { "/".to_owned() } else { inside }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protected() -> Protected {
        let mount = |point: &str, root: &str, device: &str| Mount {
            point: point.to_owned(),
            root: root.to_owned(),
            device: device.to_owned(),
            ..Mount::default()
        };
        let mounts =
            vec![mount("/", "/", "8:1"), mount("/mnt/x", "/etc", "8:1"), mount("/data", "/", "0:30")];
        Protected::new(mounts, vec!["/root".to_owned(), "/users/eva".to_owned(), "/".to_owned()])
    }

    #[test]
    fn what_would_lock_everybody_out_is_left_alone() {
        for path in [
            "/",
            "/etc",
            "/etc/passwd",
            "/etc/shadow",
            "/etc/sudoers",
            "/etc/sudoers.d/x",
            "/etc/ssh",
            "/etc/ssh/sshd_config",
            "/root",
            "/users",
            "/users/eva",
            "/users/eva/.ssh",
            "/users/eva/.ssh/authorized_keys",
            "/srv/git/.ssh/authorized_keys",
            "/usr",
            "/usr/bin",
            "/usr/bin/sudo",
            "/bin",
            "/bin/sh",
            "/lib",
            "/lib64/ld-linux-x86-64.so.2",
            "/sbin/init",
            "/boot",
            "/dev/null",
            "/proc/1",
            "/sys",
            "/run",
            "/run/systemd/system",
            "/var",
            "/var/lib",
            "/var/lib/chaos_x_1/undo.sh",
            "/run/chaos_x_1",
            "/mnt/x/ssh/sshd_config",
            "/mnt/x/passwd",
        ] {
            assert!(protected().reason(path).is_some(), "{path}");
        }
    }

    #[test]
    fn everything_else_may_be_changed() {
        for path in [
            "/etc/nginx",
            "/etc/nginx/nginx.conf",
            "/etc/passwd.bak",
            "/etc/sshd",
            "/users/eva/notes",
            "/users/evan",
            "/data",
            "/data/etc/passwd",
            "/srv",
            "/tmp",
            "/usr/local/bin/app",
            "/mnt/x/nginx",
            "/var/lib/postgresql",
            "/opt/.sshx/a",
        ] {
            assert_eq!(protected().reason(path), None, "{path}");
        }
    }
}
