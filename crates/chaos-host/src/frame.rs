//! Puts a script between two marks, and finds its output between them.
//!
//! A login shell may print before it starts ours, a forced command may answer in its place, and a connection may be cut in
//! the middle. The marks hold a number that nobody can guess: without the first one what answered was no shell of ours, without the
//! last one nobody knows how it ended.

use chaos_core::Failure;

use crate::error::HostError;
use crate::script::Script;
use crate::transport::{Marks, Raw};

/// What a script wrote between its marks.
pub(crate) struct Framed {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Returns the text that runs `script` between the marks of `nonce`. It is one function called at the end: of a stream that
/// was cut nothing is run. The shell that reads it can read another one behind it: nothing that a script sets outlives it.
pub(crate) fn wrap(script: &Script, nonce: &str) -> String {
    format!(
        "chaos_main() {{\n{prelude}\n{body}\n}}\nprintf '\\n%s-begin\\n' {nonce}\nprintf '\\n%s-begin\\n' {nonce} >&2\n\
         (chaos_main) </dev/null\nprintf '\\n%s-end %d\\n' {nonce} \"$?\"\nprintf '\\n%s-end\\n' {nonce} >&2\n",
        prelude = Script::prelude(),
        body = script.body(),
    )
}

/// Returns what the text of [`wrap`] writes around what the script writes.
pub(crate) fn marks(nonce: &str) -> Marks {
    Marks {
        begin: format!("\n{nonce}-begin\n").into_bytes(),
        end: format!("\n{nonce}-end ").into_bytes(),
        end_of_errors: format!("\n{nonce}-end\n").into_bytes(),
    }
}

/// Finds what the script wrote.
pub(crate) fn unwrap(raw: &Raw, marks: &Marks) -> Result<Framed, HostError> {
    let Some(start) = find(&raw.stdout, &marks.begin) else { return Err(not_run(raw)) };
    let output = &raw.stdout[start + marks.begin.len()..];
    let Some(stop) = rfind(output, &marks.end) else { return Err(cut(raw, marks)) };
    let Some(status) = status(&output[stop + marks.end.len()..]) else { return Err(cut(raw, marks)) };
    let from = find(&raw.stderr, &marks.begin).map_or(0, |at| at + marks.begin.len());
    let said = &raw.stderr[from..];
    let said = &said[..rfind(said, &marks.end_of_errors).unwrap_or(said.len())];
    let stderr = String::from_utf8_lossy(said).trim().to_owned();
    Ok(Framed { status, stdout: output[..stop].to_vec(), stderr })
}

/// Reads the status up to the end of its line. What stands behind that is somebody else's: a shell may say goodbye.
fn status(text: &[u8]) -> Option<i32> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    std::str::from_utf8(&text[..end]).ok()?.parse().ok()
}

fn not_run(raw: &Raw) -> HostError {
    let said = [&raw.stderr, &raw.stdout].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    let said: String = said.join(" ").trim().chars().take(300).collect();
    let ended = raw.status.map_or_else(String::new, |status| format!(" (it ended with status {status})"));
    let why = if said.is_empty() { "it said nothing".to_owned() } else { format!("it said: {said}") };
    let hint = "the account needs a login that runs `/bin/sh`; forced commands and `nologin` cannot be used";
    HostError::NotRun(Failure::new(format!("run a script{ended}")).hint(hint).source(why))
}

fn cut(raw: &Raw, marks: &Marks) -> HostError {
    let said = &raw.stderr[..rfind(&raw.stderr, &marks.end_of_errors).unwrap_or(raw.stderr.len())];
    let said = &said[rfind(said, &marks.begin).map_or(0, |at| at + marks.begin.len())..];
    let said = String::from_utf8_lossy(said);
    let said = said.trim().lines().last().unwrap_or_default();
    let ended = match raw.status {
        None => "the connection was cut".to_owned(),
        Some(status) if status > 128 => format!("its shell was ended by signal {}", status - 128),
        Some(status) => format!("its shell ended early with status {status}"),
    };
    let said = if said.is_empty() { ended } else { format!("{ended}: {said}") };
    HostError::Unreachable(Failure::new("see a script to its end").source(said))
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn rfind(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).rposition(|window| window == what)
}

#[cfg(test)]
mod tests;
