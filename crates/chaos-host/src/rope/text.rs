//! The files of a rope, as text.

use sha2::{Digest, Sha256};

use super::RopeHandle;
use crate::script::{Script, quote};

const LOCK: &str = include_str!("lock.sh");
const MAIN: &str = include_str!("undo.sh");

/// Returns the script that undoes one step by itself. What acts stands in functions that its last line calls, so that a file
/// that was cut does nothing.
pub(super) fn undo(handle: &RopeHandle, undo: &Script) -> String {
    format!(
        "# Takes back what chaos did as {id}. Safe to run at any time: sh {dir}/undo.sh by-hand\n\
         {prelude}\nrope_id={id}\nrope_dir={quoted_dir}\nrope_lasting={lasting}\nrope_boot={boot}\n{lock}\n{function}\n{MAIN}\nchaos_undo_main \"${{1:-by-hand}}\"; exit\n",
        id = handle.id,
        dir = handle.dir,
        prelude = Script::prelude(),
        quoted_dir = quote(&handle.dir),
        lasting = u8::from(handle.lasting),
        boot = quote(&handle.boot),
        lock = LOCK,
        function = function("undo", undo),
    )
}

/// Returns a script as a shell function.
pub(super) fn function(name: &str, script: &Script) -> String {
    format!("{name}() {{\n:\n{}}}\n", script.body())
}

/// Returns the unit that undoes while the machine boots: before anything of the machine's own runs, or after the units that the
/// undo needs.
pub(super) fn boot_unit(handle: &RopeHandle) -> String {
    let mounts: Vec<_> = handle.mounts.iter().map(|mount| escape(mount)).collect();
    let requires = match mounts.as_slice() {
        [] => String::new(),
        mounts => format!("RequiresMountsFor={}\n", mounts.join(" ")),
    };
    let (order, again) = match handle.after.as_slice() {
        // An undo that hangs would hold up the boot, and with it the login, for as long as its limit.
        [] => ("Before=sysinit.target shutdown.target\n".to_owned(), ""),
        // It holds up nobody. What it needs may be up and not answer yet, so it is tried again for some minutes.
        after => (
            format!(
                "After={}\nBefore=shutdown.target\nStartLimitIntervalSec=600\nStartLimitBurst=100\n",
                after.join(" ")
            ),
            "Restart=on-failure\nRestartSec=2\n",
        ),
    };
    format!(
        "[Unit]\nDescription=Undo of {id}\nDefaultDependencies=no\nAfter=local-fs.target\n{requires}RequiresMountsFor={dir}\n\
         ConditionPathExists={dir}/undo.sh\n\
         {order}Conflicts=shutdown.target\n\n[Service]\nType=oneshot\nTimeoutStartSec=60\n{again}\
         ExecStart=/bin/sh {dir}/undo.sh boot\n",
        id = handle.id,
        dir = handle.dir,
    )
}

/// Quotes a path for a unit file, where `%` is a specifier and a backslash an escape.
fn escape(path: &str) -> String {
    let path = path.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('\n', "\\n");
    format!("\"{path}\"")
}

/// Returns the SHA-256 of a text in hexadecimal digits.
pub(super) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rope::RopeKind;

    fn unit(after: &[&str]) -> String {
        boot_unit(&RopeHandle {
            id: "chaos_1".to_owned(),
            dir: "/var/lib/chaos_1".to_owned(),
            kind: RopeKind::Systemd,
            lasting: true,
            boot: String::new(),
            mounts: Vec::new(),
            after: after.iter().map(|unit| (*unit).to_owned()).collect(),
        })
    }

    #[test]
    fn an_undo_at_boot_is_the_first_thing_unless_it_needs_others() {
        let early = unit(&[]);
        assert!(
            early.contains("\nBefore=sysinit.target shutdown.target\n") && !early.contains("Restart="),
            "{early}"
        );
        let late = unit(&["docker.service", "docker.socket"]);
        assert!(late.contains("\nAfter=docker.service docker.socket\nBefore=shutdown.target\n"), "{late}");
        assert!(late.contains("\nRestart=on-failure\n") && !late.contains("sysinit.target"), "{late}");
    }
}
