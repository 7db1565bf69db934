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

/// Returns the unit that undoes while the machine boots, before anything of the machine's own runs.
pub(super) fn boot_unit(handle: &RopeHandle) -> String {
    let mounts: Vec<_> = handle.mounts.iter().map(|mount| escape(mount)).collect();
    let requires = match mounts.as_slice() {
        [] => String::new(),
        mounts => format!("RequiresMountsFor={}\n", mounts.join(" ")),
    };
    // An undo that hangs would hold up the boot, and with it the login, for as long as its limit.
    format!(
        "[Unit]\nDescription=Undo of {id}\nDefaultDependencies=no\nAfter=local-fs.target\n{requires}RequiresMountsFor={dir}\n\
         Before=sysinit.target shutdown.target\nConflicts=shutdown.target\n\n[Service]\nType=oneshot\nTimeoutStartSec=60\n\
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
