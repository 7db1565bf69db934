//! Processes of the binary that is tested, as `/proc` shows them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::StateDir;

/// Returns the pids of all processes of the tested binary that have anything to do with `state`: in their arguments, their
/// environment or their open files, or because a journal names them. A guardian shows nothing of itself.
pub fn of_state_dir(state: &StateDir) -> Vec<i32> {
    let guardians = state.guardians();
    let belongs = |pid: &i32| is_ours(*pid) && (guardians.contains(pid) || mentions(*pid, state.path()));
    all().into_iter().filter(belongs).collect()
}

/// Returns the parts of a process that other users of the machine may get to see: arguments and environment.
pub fn visible_text(pid: i32) -> String {
    ["cmdline", "environ"]
        .iter()
        .map(|part| String::from_utf8_lossy(&read(pid, part)).replace('\0', " "))
        .collect::<Vec<_>>()
        .join(" ")
}

fn all() -> Vec<i32> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn is_ours(pid: i32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == Path::new(env!("CARGO_BIN_EXE_chaos")))
}

fn mentions(pid: i32, folder: &Path) -> bool {
    let needle = folder.as_os_str().as_bytes();
    let holds = |text: &[u8]| text.windows(needle.len()).any(|part| part == needle);
    let has_file_open = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|path| path.starts_with(folder));
    has_file_open || holds(&read(pid, "cmdline")) || holds(&read(pid, "environ"))
}

fn read(pid: i32, part: &str) -> Vec<u8> {
    // A process that has just ended has no text.
    fs::read(format!("/proc/{pid}/{part}")).unwrap_or_default()
}
