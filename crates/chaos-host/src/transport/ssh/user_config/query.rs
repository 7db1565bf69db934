//! What a configuration says of one host.

use std::collections::HashMap;

use chaos_core::Failure;

use super::file::{Condition, File, Setting};
use crate::error::HostError;
use crate::transport::ssh::home;
use crate::transport::ssh::known_hosts::matches;

/// Options that each line adds to.
const COLLECTED: &[&str] = &["identityfile", "certificatefile"];
/// Options that we follow.
const FOLLOWED: &[&str] = &[
    "hostname",
    "user",
    "port",
    "identityfile",
    "certificatefile",
    "identitiesonly",
    "identityagent",
    "proxyjump",
    "proxycommand",
    "userknownhostsfile",
    "globalknownhostsfile",
    "stricthostkeychecking",
    "hostkeyalias",
    "connecttimeout",
    // Only as `none`: see below.
    "revokedhostkeys",
];
/// Options that would change where we go or whom we trust, and that we do not follow: each gets a note. All others mean
/// nothing to a program that only runs scripts: terminals, forwarding, multiplexing, logs.
const NOTED: &[&str] = &[
    "addressfamily",
    "bindaddress",
    "bindinterface",
    "canonicalizehostname",
    "casignaturealgorithms",
    "ciphers",
    "hostkeyalgorithms",
    "kexalgorithms",
    "knownhostscommand",
    "macs",
    "pkcs11provider",
    "preferredauthentications",
    "pubkeyauthentication",
    "securitykeyprovider",
    "verifyhostkeydns",
];
/// Options that we cannot follow and must not ignore, with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("proxycommand", "use `ProxyJump`, or give `host` as it is reached from here"),
    ("revokedhostkeys", "put the keys into the known hosts as lines with `@revoked`"),
];

/// What a configuration says of one host.
#[derive(Debug, Default)]
pub(crate) struct Found {
    values: HashMap<String, Vec<String>>,
    places: HashMap<String, String>,
    /// What is not followed, a sentence each.
    pub(crate) notes: Vec<String>,
}

impl Found {
    /// Returns the first value of an option.
    pub(crate) fn one(&self, key: &str) -> Option<&str> {
        self.all(key).first().map(String::as_str)
    }

    /// Returns all values of an option.
    pub(crate) fn all(&self, key: &str) -> &[String] {
        self.values.get(key).map_or(&[], Vec::as_slice)
    }

    /// Returns the line that an option comes from.
    pub(crate) fn place(&self, key: &str) -> &str {
        self.places.get(key).map_or("the SSH configuration", String::as_str)
    }

    /// Returns whether an option is on.
    pub(crate) fn is_on(&self, key: &str) -> bool {
        self.one(key).is_some_and(|value| matches!(value.to_lowercase().as_str(), "yes" | "true"))
    }
}

struct Query<'a> {
    host: &'a str,
    user: Option<&'a str>,
    /// Lines below `Match final` are looked at when all others are.
    is_final: bool,
    found: Found,
}

/// Looks through all files, in their order.
pub(crate) fn find(files: &[File], host: &str, user: Option<&str>) -> Result<Found, HostError> {
    let mut query = Query { host, user, is_final: false, found: Found::default() };
    for is_final in [false, true] {
        query.is_final = is_final;
        for file in files {
            query.look_through(file)?;
        }
    }
    Ok(query.found)
}

impl Query<'_> {
    fn look_through(&mut self, file: &File) -> Result<(), HostError> {
        // What held at the head of a block holds for all of its lines, whatever they change.
        let mut holds: Vec<Option<bool>> = vec![None; file.blocks.len()];
        for setting in &file.settings {
            if self.block_holds(file, setting.block, &mut holds) {
                self.take(setting)?;
            }
        }
        Ok(())
    }

    fn block_holds(&mut self, file: &File, index: usize, known: &mut [Option<bool>]) -> bool {
        if let Some(holds) = known[index] {
            return holds;
        }
        let block = &file.blocks[index];
        let is_outer = block.within.is_none_or(|outer| self.block_holds(file, outer, known));
        let holds = is_outer
            && match &block.condition {
                Condition::Always => !self.is_final,
                Condition::Host(patterns) => !self.is_final && any(patterns, self.host),
                Condition::Match(words) => self.matches(words, &block.place),
            };
        known[index] = Some(holds);
        holds
    }

    fn matches(&mut self, words: &[String], place: &str) -> bool {
        let mut is_for_final = false;
        let mut holds = true;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (is_not, criterion) =
                word.strip_prefix('!').map_or((false, word.as_str()), |rest| (true, rest));
            let criterion = criterion.to_lowercase();
            let is_met = match criterion.as_str() {
                "all" => true,
                // Nobody canonicalizes here: the last look is the only other one.
                "final" | "canonical" => {
                    is_for_final |= !is_not;
                    continue;
                }
                "host" => list(words.next(), self.found.one("hostname").unwrap_or(self.host)),
                "originalhost" => list(words.next(), self.host),
                "user" => {
                    let user =
                        self.user.map(str::to_owned).or_else(|| self.found.one("user").map(str::to_owned));
                    list(words.next(), &user.or_else(home::user).unwrap_or_default())
                }
                "localuser" => list(words.next(), &home::user().unwrap_or_default()),
                _ => {
                    self.note(format!(
                        "`Match {criterion}` in {place} is not understood: its lines are left out."
                    ));
                    return false;
                }
            };
            holds &= is_met != is_not;
        }
        holds && is_for_final == self.is_final
    }

    fn take(&mut self, setting: &Setting) -> Result<(), HostError> {
        let key = setting.key.as_str();
        if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| *refused == key) {
            self.refuse(setting, instead)?;
        }
        if NOTED.contains(&key) {
            self.note(format!("`{key}` in {} is not followed.", setting.place));
        }
        if !FOLLOWED.contains(&key) {
            return Ok(());
        }
        let values = self.found.values.entry(key.to_owned()).or_default();
        if values.is_empty() || COLLECTED.contains(&key) {
            values.extend(setting.values.iter().cloned());
            self.found.places.entry(key.to_owned()).or_insert_with(|| setting.place.clone());
        }
        Ok(())
    }

    fn refuse(&self, setting: &Setting, instead: &str) -> Result<(), HostError> {
        let is_none = setting.values.first().is_some_and(|value| value.eq_ignore_ascii_case("none"));
        // Of the two ways through a proxy the first that is named counts.
        let is_late = setting.key == "proxycommand" && !self.found.all("proxyjump").is_empty();
        let is_said_before = !self.found.all(&setting.key).is_empty();
        if is_none || is_late || is_said_before {
            return Ok(());
        }
        let what = format!("follow `{}` in {}", setting.key, setting.place);
        Err(HostError::Refused(Failure::new(what).source("this option is not supported").hint(instead)))
    }

    fn note(&mut self, note: String) {
        if !self.found.notes.contains(&note) {
            self.found.notes.push(note);
        }
    }
}

/// Returns whether one of `patterns` matches and none with a `!` does.
fn any(patterns: &[String], text: &str) -> bool {
    let mut holds = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(not) if matches(not, text) => return false,
            Some(_) => {}
            None => holds |= matches(pattern, text),
        }
    }
    holds
}

fn list(patterns: Option<&String>, text: &str) -> bool {
    let patterns: Vec<_> =
        patterns.map(|list| list.split(',').map(str::to_owned).collect()).unwrap_or_default();
    any(&patterns, text)
}
