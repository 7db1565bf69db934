//! The lines of a configuration file, with those of the files it includes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chaos_core::Failure;

use crate::error::HostError;
use crate::transport::ssh::known_hosts::matches;
use crate::transport::ssh::{home, user_file};

/// How deep files may include files; OpenSSH's own bound.
const DEPTH_MAX: usize = 16;
/// The most bytes of one file.
const FILE_MAX: u64 = 4 << 20;

/// One file, with all that it includes, line by line.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) blocks: Vec<Block>,
    pub(crate) settings: Vec<Setting>,
}

/// The lines below one `Host` or `Match`.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) condition: Condition,
    /// The block whose `Include` brought this one; it must hold too.
    pub(crate) within: Option<usize>,
    pub(crate) place: String,
}

/// When the lines of a block count.
#[derive(Debug)]
pub(crate) enum Condition {
    /// Before the first `Host`.
    Always,
    /// For hosts that match one of these and none of those with a `!`.
    Host(Vec<String>),
    /// The words after `Match`.
    Match(Vec<String>),
}

/// One line.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) block: usize,
    /// In lower case.
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
    pub(crate) place: String,
}

impl File {
    /// Reads `path`; what it includes is looked for in `base`.
    pub(crate) fn read(path: &Path, base: &Path) -> Result<Self, HostError> {
        let mut file = Self::default();
        file.add(path, base, None, 0)?;
        Ok(file)
    }

    /// Reads `path` where it is there.
    pub(crate) fn read_if_there(path: &Path, base: &Path) -> Result<Option<Self>, HostError> {
        if path.exists() { Self::read(path, base).map(Some) } else { Ok(None) }
    }

    fn add(
        &mut self,
        path: &Path,
        base: &Path,
        within: Option<usize>,
        depth: usize,
    ) -> Result<(), HostError> {
        if depth > DEPTH_MAX {
            return Err(refused(path, format!("it includes more than {DEPTH_MAX} files in each other")));
        }
        let text = text(path)?;
        let mut block = self.open(Condition::Always, within, path.display().to_string());
        for (index, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.display(), index + 1);
            let Some((key, values)) =
                words(line).map_err(|why| refused(path, format!("line {}: {why}", index + 1)))?
            else {
                continue;
            };
            match key.as_str() {
                "host" => block = self.open(Condition::Host(values), within, place),
                "match" => block = self.open(Condition::Match(values), within, place),
                "include" => {
                    for pattern in values {
                        for included in files(&base.join(home::expand(Path::new(&pattern)))) {
                            self.add(&included, base, Some(block), depth + 1)?;
                        }
                    }
                }
                _ => self.settings.push(Setting { block, key, values, place }),
            }
        }
        Ok(())
    }

    fn open(&mut self, condition: Condition, within: Option<usize>, place: String) -> usize {
        self.blocks.push(Block { condition, within, place });
        self.blocks.len() - 1
    }
}

fn text(path: &Path) -> Result<String, HostError> {
    let failed = |error: std::io::Error| refused(path, error.to_string());
    let Some((file, about)) = user_file::open(path).map_err(failed)? else { return Ok(String::new()) };
    // As OpenSSH has it: who may write this file decides where we go and whom we trust.
    let owner = about.uid();
    let is_ours = owner == 0 || owner == nix::unistd::getuid().as_raw();
    if !is_ours || about.mode() & 0o022 != 0 {
        let failure = Failure::new(format!("read the SSH configuration `{}`", path.display()))
            .source(format!("others may write it (owner {owner}, mode {:04o})", about.mode() & 0o7777))
            .hint(format!("`chmod go-w {}`", path.display()));
        return Err(HostError::Refused(failure));
    }
    user_file::text_of(file, FILE_MAX).map_err(failed)
}

fn refused(path: &Path, why: String) -> HostError {
    HostError::Refused(Failure::new(format!("read the SSH configuration `{}`", path.display())).source(why))
}

/// Splits a line into its key, in lower case, and its values. `key value`, `key=value` and quoted values are the same.
pub(crate) fn words(line: &str) -> Result<Option<(String, Vec<String>)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let values = split(rest.strip_prefix('=').unwrap_or(rest))?;
    if values.is_empty() {
        return Err("a value is missing");
    }
    Ok(Some((key.to_lowercase(), values)))
}

fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let mut values = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (value, after) = word(rest)?;
        values.push(value);
        rest = after.trim_start();
    }
    Ok(values)
}

fn word(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut quote = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, quote) {
            ('\\', _) if matches!(chars.peek(), Some((_, '\\' | '"' | '\''))) => {
                value.extend(chars.next().map(|(_, escaped)| escaped));
            }
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => return Ok((value, &text[at..])),
            (c, _) => value.push(c),
        }
    }
    if quote.is_some() { Err("a quote is not closed") } else { Ok((value, "")) }
}

/// Returns the files that a path with `*` and `?` names, sorted.
fn files(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_os_str();
        let Some(glob) = part.to_str().filter(|part| part.contains(['*', '?'])) else {
            found = found.into_iter().map(|path| path.join(part)).collect();
            continue;
        };
        found = found.iter().flat_map(|folder| entries(folder, glob)).collect();
    }
    found.retain(|path| path.is_file());
    found
}

fn entries(folder: &Path, glob: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_meant = |name: &str| matches(glob, name) && (glob.starts_with('.') || !name.starts_with('.'));
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_meant))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}
